// Who may upload now. A few at once keep the line busy; more would only make each of them slower, and a break
// would cost more chunks.

const AT_WORK = new Set(['hashing', 'uploading', 'retrying', 'offline', 'finishing'])

/** @typedef {import('../uploader.js').Upload} Upload */

export class Queue {
  #limit
  /** @type {Upload[]} */
  #waiting
  /** @type {Set<Upload>} */
  #running

  /**
   * @param {number} limit uploads at work at once
   */
  constructor(limit) {
    this.#limit = limit
    this.#waiting = []
    this.#running = new Set()
  }

  /**
   * Whether this upload waits for its turn.
   * @param {Upload} upload
   */
  holds(upload) {
    return this.#waiting.includes(upload)
  }

  /**
   * Start, or go on, as soon as there is room.
   * @param {Upload} upload
   */
  want(upload) {
    if (this.holds(upload) || this.#running.has(upload)) return
    this.#waiting.push(upload)
    this.#fill()
  }

  /**
   * Out of the queue, whatever it did there.
   * @param {Upload} upload
   */
  withdraw(upload) {
    this.#waiting = this.#waiting.filter((other) => other !== upload)
    this.#running.delete(upload)
    this.#fill()
  }

  /**
   * To be called when an upload's state has changed: what came to rest makes room.
   * @param {Upload} upload
   */
  noticed(upload) {
    if (this.#running.has(upload) && upload.state !== 'waiting' && !AT_WORK.has(upload.state)) {
      this.#running.delete(upload)
      this.#fill()
    }
  }

  #fill() {
    while (this.#running.size < this.#limit) {
      const next = this.#waiting.shift()
      if (!next) return
      this.#running.add(next)
      if (next.state === 'paused') next.resume()
      else next.start()
    }
  }
}
