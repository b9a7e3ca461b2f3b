// One upload as a row of the list: its words, its bar, its two buttons. The buttons stay the same elements while
// their words change, so whoever stands on one of them is never thrown off.

import { Upload } from '../uploader.js'
import { fromTemplate, inside, setName, setText, show, visible } from './dom.js'
import { preview } from './preview.js'
import { figures, kind, percent, size, sizeOf, state as words } from './words.js'

const REFRESH = 120 // milliseconds between two paintings of mere progress
const FINISHED = new Set(['done', 'duplicate'])
const OVER = new Set(['done', 'duplicate', 'cancelled', 'failed'])
/** Sending the same bytes again changes nothing. */
const FOR_GOOD = new Set(['file-too-large', 'content-rejected', 'exceeds-declared-size'])

/**
 * @typedef {object} Surroundings what a row needs from the page
 * @property {import('./queue.js').Queue} queue
 * @property {import('./announcer.js').Announcer} announcer
 * @property {() => import('../types.js').UploadOptions} options for every upload: the endpoint and what goes with it
 * @property {() => boolean} pausable whether this server's uploads can be interrupted and go on
 * @property {(row: UploadRow) => void} changed
 * @property {(row: UploadRow) => void} removed
 * @property {(row: UploadRow) => void} chooseAgain
 * @property {(fileId: string) => string} contentOf where a finished file is downloaded
 */

export class UploadRow {
  #around
  #act
  #end
  #download
  #track
  #note
  #retryAt
  #timer
  #told

  /**
   * @param {import('./choose.js').Chosen} chosen
   * @param {Surroundings} around
   */
  constructor({ file, folder }, around) {
    this.#around = around
    this.folder = folder
    this.element = fromTemplate('upload-row')
    this.#act = /** @type {HTMLButtonElement} */ (inside(this.element, '.act'))
    this.#end = /** @type {HTMLButtonElement} */ (inside(this.element, '.end'))
    this.#download = /** @type {HTMLAnchorElement} */ (inside(this.element, '.download'))
    this.#track = inside(this.element, '.track')
    this.#note = ''
    this.#retryAt = 0
    this.#timer = 0
    this.#told = ''
    this.file = file
    this.upload = this.#makeUpload()
    this.#act.addEventListener('click', () => this.#press(this.#choices().act))
    this.#end.addEventListener('click', () => this.#press(this.#choices().end))
    this.#describe()
  }

  /** The upload's state as a person sees it: what the queue holds back waits, whatever the upload says. */
  get state() {
    if (this.#around.queue.holds(this.upload)) return 'waiting'
    return this.upload.state === 'waiting' ? 'paused' : this.upload.state
  }

  get active() {
    return !OVER.has(this.state) && this.state !== 'paused'
  }

  get over() {
    return OVER.has(this.state)
  }

  get finished() {
    return FINISHED.has(this.state)
  }

  /** Whether leaving the page would lose what has been sent. */
  get fragile() {
    return this.active && this.state !== 'waiting' && this.state !== 'hashing' && !this.upload.remembered
  }

  begin() {
    this.#note = ''
    this.#around.queue.want(this.upload)
    this.render()
  }

  pause() {
    this.#around.queue.withdraw(this.upload)
    this.upload.pause()
    this.#around.announcer.tell('paused', this.name)
    this.render()
  }

  resume() {
    this.#around.announcer.tell('resumed', this.name)
    this.begin()
  }

  get name() {
    return visible(this.file.name)
  }

  /** Where the focus goes when it can be nowhere else in this row. */
  get anchor() {
    return this.#end
  }

  /**
   * Go on with a newly chosen file in this place. What the server has of the old one stays only if it is the same.
   * @param {File} file
   */
  replaceFile(file) {
    const same = file.size === this.file.size && file.lastModified === this.file.lastModified
    if (!same) this.upload.abort({ cancel: true }).catch(() => {}) // its lifetime clears it otherwise
    this.#around.queue.withdraw(this.upload)
    this.file = file
    this.upload = this.#makeUpload()
    this.#describe()
    this.begin()
  }

  /** @param {string} sentence shown beside the state until something happens */
  note(sentence) {
    this.#note = sentence
    this.#around.announcer.say(sentence)
    this.render()
  }

  render() {
    window.clearTimeout(this.#timer)
    this.#timer = 0
    const { state, upload } = this
    this.element.dataset.state = state
    setText(inside(this.element, '.words'), [words(upload, state, this.#secondsToRetry()), this.#note].filter(Boolean).join('. ').replaceAll('..', '.'))
    setText(inside(this.element, '.figures'), figures(upload, state))
    this.#renderBar(state)
    this.#renderButtons(state)
    if (state === 'retrying' && this.#secondsToRetry() > 0) this.#later(500)
    this.#around.changed(this)
  }

  #describe() {
    setName(inside(this.element, '.name'), this.file.name)
    setText(inside(this.element, '.meta'), [size(this.file.size), this.folder && `from ${visible(this.folder)}`].filter(Boolean).join(' · '))
    setText(inside(this.element, '.kind'), kind(this.file.name))
    for (const of of this.element.querySelectorAll('.of')) setText(of, this.name)
    this.#track.setAttribute('aria-label', `Upload of ${this.name}`)
    this.#act.closest('li')?.setAttribute('aria-label', this.name)
  }

  /** Draw the preview; the row must be in the document, where it can be seen whether it still is. */
  picture() {
    preview(inside(this.element, '.tile'), this.file)
  }

  #makeUpload() {
    const progress = () => this.#later(REFRESH)
    const upload = new Upload(this.file, {
      ...this.#around.options(),
      onStateChange: () => {
        if (upload === this.upload) this.#stateChanged()
      },
      onProgress: progress,
      onSent: progress,
      onFingerprintProgress: progress,
      onRetry: (_error, milliseconds) => {
        this.#retryAt = Date.now() + milliseconds
        this.render()
      },
      onFingerprint: ({ value, reason }) => {
        if (value === null && reason) this.#note = reason
      },
      onResume: (offset) => {
        if (offset > 0) this.#around.announcer.say(`${this.name} goes on at ${percent(offset, this.file.size)} %.`)
      },
    })
    return upload
  }

  #stateChanged() {
    this.#around.queue.noticed(this.upload)
    this.#tell(this.upload.state)
    this.render()
  }

  /** @param {string} state */
  #tell(state) {
    if (state === this.#told) return
    // A line that breaks again and again is told once: until the upload rests, it is the same piece of news.
    if (state === 'retrying') this.#around.announcer.say('The connection broke. Uploads go on by themselves.')
    if (state === 'done') this.#around.announcer.tell('done', this.name)
    if (state === 'duplicate') this.#around.announcer.tell('duplicate', this.name)
    if (state === 'cancelled') this.#around.announcer.tell('cancelled', this.name)
    if (state === 'failed') this.#around.announcer.say(`${this.name} failed. ${words(this.upload, 'failed', 0)}`)
    if (state !== 'uploading' || this.#told !== 'retrying') this.#told = state
  }

  /** What the two buttons offer now. */
  #choices() {
    const pause = this.#around.pausable() ? 'Pause' : ''
    const { error } = this.upload
    switch (this.state) {
      case 'retrying':
        return { act: 'Try now', end: 'Cancel' }
      case 'paused':
        return { act: 'Resume', end: 'Cancel' }
      case 'done':
      case 'duplicate':
        return { act: '', end: 'Remove' }
      case 'cancelled':
        return { act: 'Start again', end: 'Remove' }
      case 'failed':
        if (error?.kind === 'unreadable') return { act: 'Choose again', end: error.resumable ? 'Cancel' : 'Remove' }
        return { act: FOR_GOOD.has(error?.code ?? '') ? '' : 'Try again', end: error?.resumable ? 'Cancel' : 'Remove' }
      default:
        return { act: pause, end: 'Cancel' }
    }
  }

  /** @param {string} choice */
  #press(choice) {
    if (this.state === 'finishing') return
    if (choice === 'Pause') this.pause()
    else if (choice === 'Resume') this.resume()
    else if (choice === 'Try now') this.upload.resume()
    else if (choice === 'Try again' || choice === 'Start again') this.begin()
    else if (choice === 'Choose again') this.#around.chooseAgain(this)
    else if (choice === 'Cancel') void this.#cancel()
    else if (choice === 'Remove') this.#around.removed(this)
  }

  async #cancel() {
    this.#around.queue.withdraw(this.upload)
    try {
      const told = await this.upload.abort({ cancel: true })
      if (!told && this.upload.remembered) this.#note = 'The server could not be told. It forgets the upload by itself after a while'
    } catch (error) {
      this.#note = error instanceof Error ? error.message : '' // too late: it is being finished
    }
    this.render()
  }

  /** @param {string} state */
  #renderBar(state) {
    const { upload } = this
    const one = upload.chunked === false
    const reading = state === 'hashing'
    const over = this.over && !(state === 'failed' && upload.error?.resumable)
    show(this.#track, !over)
    const value = reading ? upload.hashed : one ? upload.sent : upload.confirmed
    const verb = reading ? 'read' : one ? 'sent, not yet stored' : 'confirmed'
    this.#track.setAttribute('aria-valuenow', String(percent(value, upload.total)))
    this.#track.setAttribute('aria-valuetext', `${percent(value, upload.total)} % ${verb}, ${sizeOf(value, upload.total)}`)
    widen(inside(this.#track, '.confirmed'), upload.confirmed, upload.total)
    widen(inside(this.#track, '.sent'), reading ? upload.hashed : upload.sent, upload.total)
  }

  /** @param {string} state */
  #renderButtons(state) {
    const { act, end } = this.#choices()
    setText(inside(this.#act, '.verb'), act)
    setText(inside(this.#end, '.verb'), end)
    // Too late for both, for a moment. They stay, because one of them may have the focus.
    for (const button of [this.#act, this.#end]) button.setAttribute('aria-disabled', String(state === 'finishing'))
    const file = this.upload.result?.file ?? null
    if (file) this.#download.href = this.#around.contentOf(file.fileId)
    show(this.#download, this.finished && file !== null)
    show(this.#act, act !== '', () => (this.finished ? this.#download : this.#end))
  }

  #secondsToRetry() {
    return Math.max(0, Math.ceil((this.#retryAt - Date.now()) / 1000))
  }

  /** @param {number} milliseconds */
  #later(milliseconds) {
    if (this.#timer === 0) this.#timer = window.setTimeout(() => this.render(), milliseconds)
  }
}

/**
 * @param {HTMLElement} bar
 * @param {number} part
 * @param {number} whole
 */
function widen(bar, part, whole) {
  bar.style.inlineSize = `${whole === 0 ? 0 : Math.min(100, (part / whole) * 100)}%`
}
