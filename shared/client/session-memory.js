/**
 * One upload's session: in memory as long as the `Upload` lives, in the tab's storage as long as the tab does.
 *
 * @module
 */

import { forgetSession, loadSession, releaseKey, saveSession, takeKey } from './sessions.js'

/** @typedef {import('./sessions.js').StoredSession} StoredSession */

/** Remembers, recalls and forgets. */
export class SessionMemory {
  /** @type {StoredSession|null} */
  current = null
  /** Whether a reload of the page could go on with it. */
  remembered = false
  #ownsKey = false

  /**
   * @param {Storage|null} storage
   * @param {string} key
   * @param {boolean} mayRecall whether to go on with what an earlier page began
   */
  constructor(storage, key, mayRecall) {
    this.storage = storage
    this.key = key
    this.mayRecall = mayRecall
  }

  /** Claim the key, unless another upload of this page has it: see `takeKey`. */
  take() {
    this.#ownsKey ||= takeKey(this.key)
  }

  /** Let another `Upload` of the same file go on from here. */
  release() {
    if (this.#ownsKey) releaseKey(this.key)
    this.#ownsKey = false
  }

  /**
   * The session of this very file.
   *
   * @param {string} sample of the file's content
   */
  recall(sample) {
    if (this.current === null && this.#ownsKey && this.mayRecall) {
      const stored = loadSession(this.storage, this.key)
      if (stored?.sample === sample) {
        this.current = stored
        this.remembered = true
      }
    }
    return this.current
  }

  /** @param {StoredSession} session */
  keep(session) {
    this.current = session
    this.remembered = this.#ownsKey && saveSession(this.storage, session)
  }

  /** @param {number} uploadedBytes confirmed */
  confirm(uploadedBytes) {
    if (this.current !== null) this.keep({ ...this.current, uploadedBytes })
  }

  forget() {
    if (this.#ownsKey) forgetSession(this.storage, this.key)
    this.current = null
    this.remembered = false
  }
}
