/**
 * When to hash, and what to do with what comes out (article, "Fingerprinting and deduplication").
 *
 * @module
 */

import { NoFingerprint, UploadError } from './errors.js'

/** Bytes. Up to here the file is hashed before anything is sent, above it beside the chunks. See README.md. */
export const HASH_FIRST_UP_TO = 64 * 1024 * 1024

/**
 * @param {import('./types.js').Choices['fingerprint']} choice
 * @param {number} size bytes
 * @returns {'before'|'beside'|'off'}
 */
export function whenToHash(choice, size) {
  if (size === 0) return 'off'
  if (choice === 'auto') return size <= HASH_FIRST_UP_TO ? 'before' : 'beside'
  return choice
}

/** One file's fingerprint: begun once, paused and resumed with the upload, kept for its later tries. */
export class FingerprintWork {
  /** What is known by now. @type {import('./types.js').Fingerprint|null} */
  known = null

  /**
   * @param {import('./types.js').Hasher} hasher
   * @param {Blob} file
   * @param {(hashed: number) => void} onProgress bytes
   * @param {(fingerprint: import('./types.js').Fingerprint) => void} onKnown
   */
  constructor(hasher, file, onProgress, onKnown) {
    this.job = hasher(file, onProgress)
    /** Rejects with `UploadError` when the file cannot be read. */
    this.result = this.job.result.then(
      (value) => this.#keep(value, '', onKnown),
      (error) => {
        if (error instanceof UploadError) throw error
        const words = error instanceof NoFingerprint ? error.message : 'The fingerprint could not be computed.'
        return this.#keep(null, words, onKnown)
      },
    )
    this.result.catch(() => {}) // whoever waits for it hears of it
  }

  /**
   * @param {string|null} value
   * @param {string} reason
   * @param {(fingerprint: import('./types.js').Fingerprint) => void} onKnown
   */
  #keep(value, reason, onKnown) {
    this.known = { value, reason }
    onKnown(this.known)
    return this.known
  }
}
