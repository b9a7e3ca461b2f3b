// The list of uploads: adds rows, sums them up above the list and in the window's title, and acts on all of them.

import { byId, setText, show } from './dom.js'
import { UploadRow } from './row.js'
import { percent } from './words.js'

const TITLE = document.title

export class Uploads {
  #finished
  /** @type {Set<import('../uploader.js').Upload>} */
  #told
  #announcer
  #around
  #pausable
  #section
  #toggle
  #clear

  /**
   * @param {Omit<import('./row.js').Surroundings, 'changed' | 'removed'>} around
   * @param {(row: UploadRow) => void} finished called once for each upload that ends well
   */
  constructor(around, finished) {
    /** @type {UploadRow[]} */
    this.rows = []
    this.#finished = finished
    this.#told = new Set()
    this.#announcer = around.announcer
    this.#around = {
      ...around,
      changed: (/** @type {UploadRow} */ row) => this.#changed(row),
      removed: (/** @type {UploadRow} */ row) => this.#remove([row]),
    }
    this.#pausable = around.pausable
    this.#section = byId('uploads')
    this.#toggle = byId('toggle-all')
    this.#clear = byId('clear')
    this.#toggle.addEventListener('click', () => this.#toggleAll())
    this.#clear.addEventListener('click', () => this.#remove(this.rows.filter((row) => row.finished || row.state === 'cancelled')))
    window.addEventListener('beforeunload', (event) => {
      if (this.rows.some((row) => row.fragile)) event.preventDefault()
    })
  }

  /**
   * Queue what is not in the list yet.
   * @param {import('./choose.js').Chosen[]} chosen
   * @returns {number} how many were in the list already
   */
  add(chosen) {
    let known = 0
    for (const one of chosen) {
      const row = this.rows.find((other) => isSame(other, one) && !other.finished)
      if (row) {
        known += 1
        // Choosing it again is also the answer to "it cannot be read any more", and to "try again".
        if (row.over) row.replaceFile(one.file)
        else if (row.state === 'paused') row.resume()
        continue
      }
      this.#append(one)
    }
    return known
  }

  /** @param {import('./choose.js').Chosen} chosen */
  #append(chosen) {
    const row = new UploadRow(chosen, this.#around)
    this.rows.push(row)
    byId('upload-list').append(row.element)
    row.picture()
    this.#announcer.tell('added', row.name)
    row.begin()
  }

  /** @param {UploadRow} row */
  #changed(row) {
    if (row.finished && !this.#told.has(row.upload)) {
      this.#told.add(row.upload)
      this.#finished(row)
    }
    this.#sum()
  }

  /** @param {UploadRow[]} gone */
  #remove(gone) {
    const before = document.activeElement
    const held = before === this.#clear || gone.some((row) => row.element.contains(before))
    const position = this.rows.findIndex((row) => gone.includes(row))
    this.rows = this.rows.filter((row) => !gone.includes(row))
    for (const row of gone) {
      row.element.remove()
      this.#announcer.tell('removed', row.name)
    }
    this.#sum()
    if (!held) return
    const next = this.rows[Math.min(position, this.rows.length - 1)]
    ;(next?.anchor ?? byId('choose-files')).focus()
  }

  #toggleAll() {
    const active = this.rows.filter((row) => row.active && row.state !== 'finishing')
    // Those that wait first: otherwise each one that is paused would make room for the next.
    active.sort((a, b) => Number(b.state === 'waiting') - Number(a.state === 'waiting'))
    if (active.length > 0) for (const row of active) row.pause()
    else for (const row of this.rows) if (row.state === 'paused') row.resume()
    this.#sum()
  }

  #sum() {
    const { rows } = this
    const active = rows.filter((row) => row.active)
    const open = rows.filter((row) => !row.over)
    const failed = rows.filter((row) => row.state === 'failed').length
    const done = rows.filter((row) => row.finished).length
    show(this.#section, rows.length > 0, () => byId('choose-files'))
    const bytes = open.reduce((sum, row) => sum + row.upload.total, 0)
    const confirmed = open.reduce((sum, row) => sum + row.upload.confirmed, 0)
    setText(byId('summary'), [`${done} of ${rows.length} uploaded`, failed > 0 && `${failed} failed`].filter(Boolean).join(', '))
    const titled = active.length > 0 ? `${percent(confirmed, bytes)} % · ${TITLE}` : TITLE
    if (document.title !== titled) document.title = titled
    byId('legend').hidden = !this.#pausable() || !rows.some((row) => row.state === 'uploading')
    const several = rows.filter((row) => !row.over && row.state !== 'finishing').length > 1
    setText(this.#toggle, active.length > 0 ? 'Pause all' : 'Resume all')
    show(this.#toggle, several && this.#pausable(), () => byId('uploads-title'))
    show(this.#clear, rows.some((row) => row.finished || row.state === 'cancelled'), () => byId('uploads-title'))
  }
}

/**
 * @param {UploadRow} row
 * @param {import('./choose.js').Chosen} chosen
 */
function isSame(row, { file, folder }) {
  return row.folder === folder && row.file.name === file.name && row.file.size === file.size && row.file.lastModified === file.lastModified
}
