// The files that are on the server, newest first, a page at a time.

import { byId, fromTemplate, inside, setName, setText, show, visible } from './dom.js'
import { kind, size, when } from './words.js'

const PAGE = 10
/** What the server calls bytes that do not say what they are. No news to a person. */
const UNKNOWN = 'application/octet-stream'

/** @typedef {import('../types.js').RemoteFile} FileRecord */

export class StoredList {
  #address
  #list
  #empty
  #more
  /** @type {Set<string>} */
  #known
  /** @type {string | null} */
  #after

  /** @param {string} address of the collection, absolute */
  constructor(address) {
    this.#address = address
    this.#list = byId('stored-list')
    this.#empty = byId('stored-empty')
    this.#more = byId('more')
    this.#known = new Set()
    this.#after = null
    this.#more.addEventListener('click', () => void this.load())
  }

  /**
   * Where a file is downloaded.
   * @param {string} fileId
   */
  contentOf(fileId) {
    return `${this.#address}/${encodeURIComponent(fileId)}/content`
  }

  /** Fetch the next page. */
  async load() {
    const query = new URLSearchParams({ limit: String(PAGE) })
    if (this.#after !== null) query.set('after', this.#after)
    try {
      const answer = await fetch(`${this.#address}?${query}`)
      if (!answer.ok) throw new Error(`status ${answer.status}`)
      const { files, next } = /** @type {{files: FileRecord[], next: string | null}} */ (await answer.json())
      const added = files.filter((file) => !this.#known.has(file.fileId)).map((file) => this.#row(file))
      this.#list.append(...added)
      this.#after = next
      setText(this.#more, 'Show more files')
      setText(this.#empty, 'Nothing here yet. Files appear when their upload is complete.')
      show(this.#more, next !== null, () => (added[0] ? inside(added[0], 'a') : byId('stored-title')))
      show(this.#empty, this.#known.size === 0)
    } catch {
      setText(this.#empty, 'The list cannot be loaded: the server does not answer.')
      show(this.#empty, true)
      setText(this.#more, 'Try again')
      show(this.#more, true)
    }
  }

  /**
   * A file that has just been uploaded, at the top.
   * @param {FileRecord} file
   */
  add(file) {
    if (this.#known.has(file.fileId)) return
    this.#list.prepend(this.#row(file))
    show(this.#empty, false)
  }

  /** @param {FileRecord} file */
  #row(file) {
    const row = fromTemplate('stored-row')
    this.#known.add(file.fileId)
    setName(inside(row, '.name'), file.fileName)
    setText(inside(row, '.meta'), [size(file.fileSize), file.mimeType === UNKNOWN ? '' : file.mimeType, when(file.createdAt)].filter(Boolean).join(' · '))
    setText(inside(row, '.kind'), kind(file.fileName))
    setText(inside(row, '.of'), visible(file.fileName))
    const link = /** @type {HTMLAnchorElement} */ (inside(row, 'a'))
    link.href = this.contentOf(file.fileId)
    link.download = file.fileName
    return row
  }
}
