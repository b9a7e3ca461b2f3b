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
import { cancelAtServer, tooLate } from './cancel.js'
import { Stopped, UploadError } from './errors.js'
import { UploadFacts } from './facts.js'
import { FingerprintWork } from './fingerprint.js'
import { hashFile } from './hashing.js'
import { Http } from './http.js'
import { choicesFrom, eventsFrom } from './options.js'
import { Patience } from './patience.js'
import { reportsTo } from './reports.js'
import { SessionMemory } from './session-memory.js'
import { sessionKey } from './sessions.js'
import { transportFor } from './transport.js'
import { worldFrom } from './world.js'

export { UploadError } from './errors.js'
export { discardUnfinished, findUnfinished, getCapabilities, listUnfinished } from './unfinished.js'

/** @typedef {import('./types.js').UploadState} UploadState */
/** @typedef {import('./types.js').UploadResult} UploadResult */
/** @typedef {import('./unfinished.js').Unfinished} Unfinished */

/** One file on its way. */
export class Upload extends UploadFacts {
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
  #cancelling = false

  /**
   * @param {Blob} file a `File`, usually
   * @param {import('./types.js').UploadOptions} options
   * @throws {UploadError} an option has no meaning
   */
  constructor(file, options) {
    super(file)
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
    if (this.#run !== null || this.#isOver) return
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
    if (this.#isOver) return true
    if (this.#activity === 'finishing' && this.#run !== null) return this.#cancelFinishing()
    this.#stop()
    this.#setState('cancelled')
    // A session that is being opened gets its name first, so that it can be removed. And a `start()` that comes
    // before it is removed waits for that.
    const told = this.#settled.then(() => this.#cancelAtServer())
    this.#settled = told.then(
      () => this.#forget(),
      () => {},
    )
    try {
      return await told
    } catch (error) {
      if (this.#run === null) this.#begin() // the file was complete when it was paused: see it through
      throw error
    }
  }

  /** Once everything is sent, it may be too late. So the upload goes on until the server has answered. */
  async #cancelFinishing() {
    this.#cancelling = true
    try {
      const told = await this.#cancelAtServer()
      if (this.#isOver) throw tooLate()
      this.#stop()
      this.#setState('cancelled')
      this.#forget()
      return told
    } catch (error) {
      if (this.#run === null && !this.#isOver) this.#begin() // it met trouble of its own meanwhile
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

  get #isOver() {
    return this.#state === 'done' || this.#state === 'duplicate'
  }

  #begin() {
    const run = new AbortController()
    this.#run = run
    const ifCurrent = this.#onlyIn(run)
    // One after the other: the attempt before may still be opening a session.
    this.#settled = this.#settled
      .then(() => attempt(this.#assignment(run.signal, ifCurrent)))
      .then(
        ifCurrent((outcome) => this.#succeed({ ...outcome, bytesSent: this.bytesSent })),
        ifCurrent((error) => this.#fail(error)),
      )
  }

  /**
   * Reports of an attempt that was stopped are dropped.
   *
   * @param {AbortController} run
   * @returns {import('./reports.js').IfCurrent}
   */
  #onlyIn(run) {
    return (report) =>
      (...told) => {
        if (this.#run === run) report(...told)
      }
  }

  /**
   * @param {AbortSignal} signal
   * @param {import('./reports.js').IfCurrent} ifCurrent
   * @returns {import('./attempt.js').Assignment}
   */
  #assignment(signal, ifCurrent) {
    signal.throwIfAborted()
    this.#session.take()
    this.#fingerprint?.job.resume()
    const { events, options: choices } = this
    const patience = new Patience({
      choices,
      world: this.world,
      signal,
      shouldRetry: (error, retries) =>
        events.onShouldRetry?.(error, retries, choices) ?? error.retryable,
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
      ...{ transport: this.transport, speed: this.smoothed },
      memory: {
        capabilities: this.#capabilities,
        session: this.#session,
        fingerprint: () => this.#fingerprint,
        hash: () => (this.#fingerprint ??= this.#hash()),
        isCancelling: () => this.#cancelling,
      },
      on: {
        capabilities: ifCurrent((found) => {
          this.#capabilities = found
          this.chunked = found.chunkSize !== null
        }),
        ...reportsTo(this, events, this.#session, (activity) => this.#act(activity), ifCurrent),
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
    const how = this.resumed && result.how === 'sent' ? 'resumed' : result.how
    this.#forget()
    if (known !== null && known !== result.file.fingerprint) {
      return this.#fail(new UploadError('mismatch', 'The server has stored other bytes than this file has.'))
    }
    this.#run = null
    this.result = { ...result, how }
    this.confirmed = this.sent = this.total
    this.events.onProgress(this.total, this.total)
    this.#setState(result.duplicate ? 'duplicate' : 'done')
    this.events.onSuccess(this.result)
  }

  /** @param {unknown} cause */
  #fail(cause) {
    this.#stop()
    if (this.#cancelling) return // `abort` says how it ends
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
    this.resumed = false
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
