/**
 * When to try again, and when to stop (PROTOCOL.md, `client/retry`; article, "Retries and error handling").
 *
 * @module
 */

import { UploadError } from './errors.js'

/** Share by which a wait is stretched or shortened, so that a thousand clients do not return at once. */
const JITTER = 0.25

/** @type {Record<number, string>} */
const WORDS = { 2: 'Two', 3: 'Three', 4: 'Four', 5: 'Five' }

/** Milliseconds. A server that asks for a longer wait ends the attempt: a person should decide about hours. */
const LONGEST_WAIT = 300_000

/**
 * @typedef {object} PatienceOptions
 * @property {import('./types.js').Choices} choices
 * @property {import('./types.js').World} world
 * @property {AbortSignal} signal ends every wait
 * @property {(error: UploadError, attempt: number) => boolean} shouldRetry
 * @property {() => void} onOffline the wait for a network begins
 * @property {(error: UploadError, milliseconds: number) => void} onRetry a wait begins
 * @property {() => void} onGoOn a wait has ended
 */

/** Counts failures; progress forgets them. */
export class Patience {
  #failures = 0
  /** @type {AbortController|null} */
  #nap = null

  /** @param {PatienceOptions} options */
  constructor(options) {
    this.options = options
  }

  /** A byte was confirmed that was not confirmed before: the count begins again. */
  progress() {
    this.#failures = 0
  }

  /** End a wait now. */
  hurry() {
    this.#nap?.abort(HURRY)
  }

  /**
   * Count a failure and wait. Being offline is no failure: it is waited for, as long as it takes.
   *
   * @param {unknown} failure
   * @param {{atOnce?: boolean}} [more] `atOnce`: count it, and do not wait
   * @throws {unknown} the failure, when it is one too many or of a kind that time does not heal
   */
  async bear(failure, { atOnce = false } = {}) {
    const { choices, world, shouldRetry, onOffline, onRetry, onGoOn, signal } = this.options
    signal.throwIfAborted()
    if (!(failure instanceof UploadError) || !shouldRetry(failure, this.#failures)) throw failure
    if (failure.kind === 'network' && !world.isOnline()) {
      onOffline()
      await this.#wait((ending) => world.whenOnline(ending))
      return onGoOn()
    }
    const delays = choices.retryDelays ?? []
    if (this.#failures >= delays.length) throw tooMany(failure, this.#failures + 1)
    const stretch = 1 + JITTER * (2 * world.random() - 1)
    const wait = atOnce ? 0 : (failure.retryAfter ?? delays[this.#failures] * stretch)
    if (wait > LONGEST_WAIT) throw endedBecause(failure, `It asks to be left alone for ${minutes(wait)} minutes.`)
    this.#failures += 1
    if (atOnce) return
    onRetry(failure, wait)
    await this.#wait((ending) => world.sleep(wait, ending))
    onGoOn()
  }

  /**
   * Repeat a request until it works.
   *
   * @template T
   * @param {() => Promise<T>} request
   * @returns {Promise<T>}
   */
  async untilDone(request) {
    for (;;) {
      try {
        const answer = await request()
        this.options.signal.throwIfAborted()
        return answer
      } catch (error) {
        await this.bear(error)
      }
    }
  }

  /**
   * @param {(ending: AbortSignal) => Promise<void>} wait
   */
  async #wait(wait) {
    const { signal } = this.options
    const nap = new AbortController()
    this.#nap = nap
    const stop = () => nap.abort(signal.reason)
    signal.addEventListener('abort', stop)
    try {
      await wait(nap.signal)
    } catch (error) {
      if (error !== HURRY) throw error
    } finally {
      this.#nap = null
      signal.removeEventListener('abort', stop)
    }
  }
}

const HURRY = new Error('hurry')

/**
 * @param {UploadError} failure the last one
 * @param {number} count
 */
function tooMany(failure, count) {
  return count === 1 ? failure : endedBecause(failure, `${WORDS[count] ?? count} tries failed.`)
}

/**
 * @param {UploadError} failure
 * @param {string} reason
 */
function endedBecause(failure, reason) {
  const { hint, code, status, problem } = failure
  return new UploadError(failure.kind, `${failure.message} ${reason}`, {
    hint,
    code,
    status,
    problem,
    cause: failure,
  })
}

/** @param {number} milliseconds */
function minutes(milliseconds) {
  return Math.ceil(milliseconds / 60_000)
}
