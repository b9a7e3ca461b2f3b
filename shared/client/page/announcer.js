// One polite live region for the whole page. It tells what has happened, never how far something is: progress
// bars are there to be asked. What happens within a second is told in one sentence.

import { setText } from './dom.js'

/** @typedef {'added' | 'done' | 'duplicate' | 'paused' | 'resumed' | 'cancelled' | 'removed'} Happening */

/** @type {Record<Happening, [one: string, many: string]>} */
const SENTENCES = {
  added: ['is in the list', 'files are in the list'],
  done: ['is uploaded', 'files are uploaded'],
  duplicate: ['was already on the server', 'files were already on the server'],
  paused: ['is paused', 'uploads are paused'],
  resumed: ['goes on', 'uploads go on'],
  cancelled: ['is cancelled', 'uploads are cancelled'],
  removed: ['is removed from the list', 'files are removed from the list'],
}

export class Announcer {
  #region
  #patience
  /** @type {Map<Happening, string[]>} */
  #happened
  /** @type {string[]} */
  #sentences
  #timer

  /**
   * @param {Element} region
   * @param {number} [patience] milliseconds to wait for more of the same
   */
  constructor(region, patience = 800) {
    this.#region = region
    this.#patience = patience
    this.#happened = new Map()
    this.#sentences = []
    this.#timer = 0
  }

  /**
   * Something happened to one file.
   * @param {Happening} what
   * @param {string} name
   */
  tell(what, name) {
    const names = this.#happened.get(what) ?? []
    this.#happened.set(what, [...names, name])
    this.#schedule()
  }

  /**
   * A sentence of its own, told once even if it is said several times.
   * @param {string} sentence
   */
  say(sentence) {
    if (!this.#sentences.includes(sentence)) this.#sentences.push(sentence)
    this.#schedule()
  }

  #schedule() {
    if (this.#timer === 0) this.#timer = window.setTimeout(() => this.#speak(), this.#patience)
  }

  #speak() {
    this.#timer = 0
    const told = [...this.#happened].map(([what, names]) => {
      const [one, many] = SENTENCES[what]
      return names.length === 1 ? `${names[0]} ${one}.` : `${names.length} ${many}.`
    })
    setText(this.#region, [...told, ...this.#sentences].join(' '))
    this.#happened.clear()
    this.#sentences = []
  }
}
