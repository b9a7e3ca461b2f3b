/**
 * What a page can read of an upload at any time: numbers, and how it ended.
 *
 * @module
 */

import { Speed } from './speed.js'

/** Kept by `Upload`, which is one. */
export class UploadFacts {
  /** Why it failed. @type {import('./errors.js').UploadError|null} */
  error = null
  /** How it ended well. @type {import('./types.js').UploadResult|null} */
  result = null
  /** Bytes the server has confirmed. */
  confirmed = 0
  /** Confirmed bytes, and those of the chunk on its way that were handed to the network. */
  sent = 0
  /** Bytes that went into the fingerprint. */
  hashed = 0
  /** Bytes whose sending was begun, repeats included. */
  bytesSent = 0
  /** Whether it is sent in chunks, as at levels 2 to 4; null until the server has said so. @type {boolean|null} */
  chunked = null
  /** Milliseconds until the next try, as announced. @type {number|null} */
  retryIn = null
  /** Whether it went on from bytes that were confirmed before. */
  resumed = false
  smoothed = new Speed()

  /** @param {Blob} file */
  constructor(file) {
    this.file = file
  }

  /** Bytes. */
  get total() {
    return this.file.size
  }

  /** Bytes per second, smoothed; null until a chunk is confirmed. */
  get speed() {
    return this.smoothed.bytesPerSecond
  }

  /** Seconds, at this speed; null while nobody can know. */
  get secondsLeft() {
    return this.smoothed.secondsFor(this.total - this.confirmed)
  }
}
