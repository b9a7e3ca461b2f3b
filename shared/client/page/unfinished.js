// What an earlier life of this tab has left unfinished. A page cannot open files by itself, so it asks for them.

import { discardUnfinished, findUnfinished } from '../uploader.js'
import { byId, fromTemplate, inputById, inside, setName, setText, show, visible } from './dom.js'
import { fromInput } from './choose.js'
import { kind, percent, size, sizeOf } from './words.js'

/** @typedef {import('../uploader.js').Unfinished} Entry */

export class UnfinishedList {
  #endpoint
  #announcer
  #chosen
  /** @type {Map<string, {entry: Entry, element: HTMLElement}>} */
  #rows
  /** @type {Entry | null} */
  #asking
  #input

  /**
   * @param {string} endpoint
   * @param {import('./announcer.js').Announcer} announcer
   * @param {(chosen: import('./choose.js').Chosen[]) => void} chosen called with the right file
   */
  constructor(endpoint, announcer, chosen) {
    this.#endpoint = endpoint
    this.#announcer = announcer
    this.#chosen = chosen
    this.#rows = new Map()
    this.#asking = null
    this.#input = inputById('again-input')
    this.#input.addEventListener('change', () => this.#answer())
  }

  /** Ask the server about everything this tab remembers, and list what can go on. */
  async load() {
    for (const entry of await findUnfinished(this.#endpoint)) this.#append(entry)
    this.#settle()
    if (this.#rows.size === 1) this.#announcer.say('There is an unfinished upload.')
    if (this.#rows.size > 1) this.#announcer.say(`There are ${this.#rows.size} unfinished uploads.`)
  }

  /**
   * These files are being uploaded now: what was unfinished of them goes on in the list of uploads.
   * @param {File[]} files
   */
  taken(files) {
    for (const { entry } of [...this.#rows.values()]) {
      if (files.some((file) => isOf(entry, file))) this.#drop(entry)
    }
  }

  /** @param {Entry} entry */
  #append(entry) {
    if (this.#rows.has(entry.key)) return
    const element = fromTemplate('unfinished-row')
    const name = visible(entry.fileName)
    const done = percent(entry.uploadedBytes, entry.fileSize)
    setName(inside(element, '.name'), entry.fileName)
    setText(inside(element, '.meta'), `${size(entry.fileSize)} · ${sizeOf(entry.uploadedBytes, entry.fileSize)} confirmed`)
    setText(inside(element, '.kind'), kind(entry.fileName))
    setText(inside(element, '.words'), `Choose ${name} again to go on at ${done} %`)
    for (const of of element.querySelectorAll('.of')) setText(of, ` ${name}`)
    const track = inside(element, '.track')
    track.setAttribute('aria-label', `Upload of ${name}, interrupted`)
    track.setAttribute('aria-valuenow', String(done))
    track.setAttribute('aria-valuetext', `${done} % confirmed`)
    inside(track, '.confirmed').style.inlineSize = `${done}%`
    inside(element, '.act').addEventListener('click', () => {
      this.#asking = entry
      this.#input.click()
    })
    inside(element, '.end').addEventListener('click', () => void this.#discard(entry))
    element.dataset.state = 'paused'
    this.#rows.set(entry.key, { entry, element })
    byId('unfinished-list').append(element)
  }

  #answer() {
    const [chosen] = fromInput(this.#input)
    const row = this.#asking && this.#rows.get(this.#asking.key)
    if (!chosen || !row) return
    if (isOf(row.entry, chosen.file)) {
      this.#chosen([chosen])
      return
    }
    const found = chosen.file.name === row.entry.fileName ? `a ${visible(chosen.file.name)} that is not the same` : visible(chosen.file.name)
    const sentence = `You chose ${found}. To go on, choose the ${visible(row.entry.fileName)} of ${size(row.entry.fileSize)} that you began with; or discard this upload and upload the other file above.`
    setText(inside(row.element, '.words'), sentence)
    row.element.dataset.state = 'failed'
    this.#announcer.say(sentence)
  }

  /** @param {Entry} entry */
  async #discard(entry) {
    const position = [...this.#rows.keys()].indexOf(entry.key)
    const told = await discardUnfinished(entry, { endpoint: this.#endpoint })
    this.#announcer.say(
      `${visible(entry.fileName)} is discarded.${told ? '' : ' The server could not be told; it forgets the upload by itself after a while.'}`,
    )
    this.#drop(entry, position)
  }

  /**
   * @param {Entry} entry
   * @param {number} [position] where the focus was
   */
  #drop(entry, position = -1) {
    const row = this.#rows.get(entry.key)
    const held = row?.element.contains(document.activeElement)
    row?.element.remove()
    this.#rows.delete(entry.key)
    this.#settle()
    if (!held) return
    const left = [...this.#rows.values()]
    const next = left[Math.min(Math.max(position, 0), left.length - 1)]
    ;(next ? inside(next.element, '.act') : byId('choose-files')).focus()
  }

  #settle() {
    show(byId('unfinished'), this.#rows.size > 0)
  }
}

/**
 * Whether this is the file that was begun: name, size and time, as in the session's key.
 * @param {Entry} entry
 * @param {File} file
 */
function isOf(entry, file) {
  return entry.fileName === file.name && entry.fileSize === file.size && entry.lastModified === file.lastModified
}
