/**
 * Chunked, resumable uploads from a browser. No DOM in here, and what the world lends can be handed in.
 *
 *     const upload = new Upload(file, { endpoint: '/upload', onSuccess: ({ file }) => … })
 *     upload.start()
 *
 * One `Upload` is one file on its way to one server. Names follow tus-js-client and Uppy where those have one.
 * README.md has the options, methods and events.
 *
 * @module
 */

import { Api } from './api.js'
import { attempt } from './attempt.js'
import { cancelAtServer } from './cancel.js'
import { Stopped, UploadError } from './errors.js'
import { FingerprintWork } from './fingerprint.js'
import { hashFile } from './hashing.js'
import { Http } from './http.js'
import { choicesFrom, eventsFrom } from './options.js'
import { Patience } from './patience.js'
import { SessionMemory } from './session-memory.js'
import { sessionKey } from './sessions.js'
import { Speed } from './speed.js'
import { transportFor } from './transport.js'
import { worldFrom } from './world.js'

export { UploadError } from './errors.js'
export { discardUnfinished, findUnfinished, getCapabilities, listUnfinished } from './unfinished.js'

/** @typedef {import('./types.js').UploadState} UploadState */
/** @typedef {import('./types.js').UploadResult} UploadResult */
/** @typedef {import('./unfinished.js').Unfinished} Unfinished */

/** One file on its way. */
export class Upload {
  /** @type {UploadState} */
  #state = 'waiting'
  /** What it does when it does not wait for something. @type {UploadState} */
  #activity = 'waiting'
  /** @type {AbortController|null} */
  #run = null
  /** The last attempt, over or not; never rejects. @type {Promise<void>} */
  #settled = Promise.resolve()
  /** @type {Patience|null} */
  #patience = null
  /** @type {import('./types.js').Capabilities|null} */
  #capabilities
  /** @type {SessionMemory} */
  #session
  /** @type {FingerprintWork|null} */
  #fingerprint = null
  #resumed = false
  #bytesSent = 0
  #speed = new Speed()
  #cancelling = false

  /** Why it failed. @type {UploadError|null} */
  error = null
  /** How it ended well. @type {UploadResult|null} */
  result = null
  /** Bytes the server has confirmed. */
  confirmed = 0
  /** Confirmed bytes, and those of the chunk on its way that were handed to the network. */
  sent = 0
  /** Bytes that went into the fingerprint. */
  hashed = 0
  /** Whether it is sent in chunks, as at levels 2 to 4; null until the server has said so. @type {boolean|null} */
  chunked = null
  /** Milliseconds until the next try, as announced. @type {number|null} */
  retryIn = null

  /**
   * @param {Blob} file a `File`, usually
   * @param {import('./types.js').UploadOptions} options
   * @throws {UploadError} an option has no meaning
   */
  constructor(file, options) {
    this.file = file
    this.options = choicesFrom(options)
    this.events = eventsFrom(options)
    this.world = worldFrom(options, hashFile)
    const { name, lastModified } = /** @type {Partial<File>} */ (file)
    this.fileName = this.options.fileName ?? name ?? 'unnamed'
    this.lastModified = lastModified ?? 0
    const key = sessionKey(this.options.endpoint, this.fileName, file.size, this.lastModified)
    this.#session = new SessionMemory(this.world.storage, key, this.options.resume)
    this.#capabilities = this.options.capabilities
    this.http = new Http(this.world.fetch, this.options.headers)
    this.transport = transportFor(this.world.fetch, options.fetch !== undefined)
  }

  get state() {
    return this.#state
  }

  /** Bytes. */
  get total() {
    return this.file.size
  }

  /** Bytes per second, smoothed; null until a chunk is confirmed. */
  get speed() {
    return this.#speed.bytesPerSecond
  }

  /** Seconds, at this speed; null while nobody can know. */
  get secondsLeft() {
    return this.#speed.secondsFor(this.total - this.confirmed)
  }

  /** The server's name for it, once there is one. */
  get sessionId() {
    return this.#session.current?.sessionId ?? null
  }

  /** Whether a reload of the page could go on with it. */
  get remembered() {
    return this.#session.remembered
  }

  /** Begin; after a failure or a cancellation, begin again. A session that is remembered is gone on with. */
  start() {
    if (this.#run !== null || this.#state === 'done' || this.#state === 'duplicate') return
    if (this.#state === 'failed' || this.#state === 'cancelled') this.#activity = 'waiting'
    this.error = null
    this.#setState(this.#activity)
    this.#begin()
  }

  /** Stop at once: the chunk on its way is given up, what was confirmed stays. */
  pause() {
    if (this.#run === null) return
    this.#stop()
    this.#fingerprint?.job.pause()
    this.#setState('paused')
  }

  /** Go on after `pause()`. While it waits to try again, or for a network: try now. */
  resume() {
    if (this.#state === 'paused') this.start()
    else this.#patience?.hurry()
  }

  /**
   * Stop. Without `cancel` this is `pause()`; with it, the server removes what it has.
   *
   * @param {{cancel?: boolean}} [how]
   * @returns {Promise<boolean>} true: the server has nothing of it any more; false: it could not be told, and
   *   will remove it when the session's lifetime is over
   * @throws {UploadError} too late: the server has everything and finishes it. The upload goes on
   */
  async abort({ cancel = false } = {}) {
    if (!cancel) {
      this.pause()
      return true
    }
    if (this.#state === 'done' || this.#state === 'duplicate') return true
    // Once everything is sent, it may be too late. So the upload goes on until the server has answered.
    this.#cancelling = this.#activity === 'finishing' && this.#run !== null
    if (!this.#cancelling) {
      this.#stop()
      this.#setState('cancelled')
      await this.#settled // a session that is being opened gets its name first, so that it can be removed
    }
    try {
      const told = await this.#cancelAtServer()
      this.#stop()
      this.#setState('cancelled')
      this.#forget()
      return told
    } catch (error) {
      if (this.#run === null) this.#begin() // paused while it was finishing: the file is there, so see it through
      throw error
    } finally {
      this.#cancelling = false
    }
  }

  async #cancelAtServer() {
    if (this.sessionId === null || this.#capabilities === null) return true
    const api = new Api(this.http, this.#capabilities, this.transport)
    return cancelAtServer(api, this.sessionId, this.world, this.options.retryDelays)
  }

  #begin() {
    const run = new AbortController()
    this.#run = run
    this.#session.take()
    this.#fingerprint?.job.resume()
    const ifCurrent = this.#onlyIn(run)
    // One after the other: the attempt before may still be opening a session.
    this.#settled = this.#settled
      .then(() => attempt(this.#assignment(run.signal, ifCurrent)))
      .then(
        ifCurrent((outcome) => this.#succeed({ ...outcome, bytesSent: this.#bytesSent })),
        ifCurrent((error) => this.#fail(error)),
      )
  }

  /**
   * Reports of an attempt that was stopped are dropped.
   *
   * @param {AbortController} run
   * @returns {IfCurrent}
   */
  #onlyIn(run) {
    return (report) =>
      (...told) => {
        if (this.#run === run) report(...told)
      }
  }

  /**
   * @param {AbortSignal} signal
   * @param {IfCurrent} ifCurrent
   * @returns {import('./attempt.js').Assignment}
   */
  #assignment(signal, ifCurrent) {
    signal.throwIfAborted()
    const { events, options: choices } = this
    const patience = new Patience({
      choices,
      world: this.world,
      signal,
      shouldRetry: (error, retries) =>
        !(this.#cancelling && error.gone) &&
        (events.onShouldRetry?.(error, retries, choices) ?? error.retryable),
      onOffline: ifCurrent(() => this.#setState('offline')),
      onRetry: ifCurrent((error, milliseconds) => {
        this.retryIn = milliseconds
        this.#setState('retrying')
        events.onRetry(error, milliseconds)
      }),
      onGoOn: ifCurrent(() => this.#setState(this.#activity)),
    })
    this.#patience = patience
    return {
      ...{ signal, patience, choices, file: this.file, fileName: this.fileName, lastModified: this.lastModified },
      ...{ mimeType: choices.mimeType ?? this.file.type, world: this.world, http: this.http },
      ...{ transport: this.transport, speed: this.#speed },
      memory: {
        capabilities: this.#capabilities,
        session: this.#session,
        fingerprint: () => this.#fingerprint,
        hash: () => (this.#fingerprint ??= this.#hash()),
      },
      on: {
        capabilities: ifCurrent((found) => {
          this.#capabilities = found
          this.chunked = found.chunkSize !== null
        }),
        hashing: ifCurrent(() => this.#act('hashing')),
        uploading: ifCurrent(() => this.#act('uploading')),
        finishing: ifCurrent(() => this.#act('finishing')),
        begun: (bytes) => {
          this.#bytesSent += bytes
        },
        confirmed: ifCurrent((offset) => {
          this.confirmed = this.sent = offset
          this.#session.confirm(offset)
          events.onProgress(offset, this.total)
        }),
        sent: ifCurrent((position) => {
          this.sent = position
          events.onSent(position, this.total)
        }),
        chunk: ifCurrent((size) => events.onChunkComplete(size, this.confirmed, this.total)),
        resumed: ifCurrent((offset) => {
          this.#resumed ||= offset > 0
          events.onResume(offset)
        }),
      },
    }
  }

  #hash() {
    return new FingerprintWork(
      this.world.hasher,
      this.file,
      (hashed) => {
        this.hashed = hashed
        this.events.onFingerprintProgress(hashed, this.total)
      },
      (fingerprint) => this.events.onFingerprint(fingerprint),
    )
  }

  /** @param {UploadResult} result */
  #succeed(result) {
    const known = this.#fingerprint?.known?.value ?? this.#session.current?.fingerprint ?? null
    this.#forget()
    if (known !== null && known !== result.file.fingerprint) {
      return this.#fail(new UploadError('mismatch', 'The server has stored other bytes than this file has.'))
    }
    this.#run = null
    this.result = { ...result, how: this.#resumed && result.how === 'sent' ? 'resumed' : result.how }
    this.confirmed = this.sent = this.total
    this.events.onProgress(this.total, this.total)
    this.#setState(result.duplicate ? 'duplicate' : 'done')
    this.events.onSuccess(this.result)
  }

  /** @param {unknown} cause */
  #fail(cause) {
    this.#stop()
    const words = 'Something went wrong in the page itself.'
    this.error = cause instanceof UploadError ? cause : new UploadError('usage', words, { cause })
    this.error.resumable = this.#session.current !== null
    this.#fingerprint?.job.pause()
    // Whoever chooses the file again, as after `unreadable`, goes on with this session in another `Upload`.
    this.#session.release()
    this.#setState('failed')
    this.events.onError(this.error)
  }

  /** There is nothing left to go on with. */
  #forget() {
    this.#fingerprint?.job.cancel()
    this.#fingerprint = null
    this.#session.forget()
    this.#session.release()
    this.confirmed = this.sent = this.hashed = 0
  }

  #stop() {
    this.#run?.abort(new Stopped())
    this.#run = null
    this.#patience = null
    this.sent = this.confirmed
  }

  /** @param {UploadState} activity */
  #act(activity) {
    this.#activity = activity
    this.#setState(activity)
  }

  /** @param {UploadState} state */
  #setState(state) {
    if (state === this.#state) return
    this.#state = state
    if (state !== 'retrying') this.retryIn = null
    this.events.onStateChange(state, this)
  }
}

/**
 * @template {unknown[]} A
 * @typedef {(...told: A) => void} Report
 */

/** @typedef {<A extends unknown[]>(report: Report<A>) => Report<A>} IfCurrent */
