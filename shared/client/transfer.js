/**
 * The chunk loop of one session: the offset handshake, seen from the client.
 *
 * One rule carries it: what the server confirmed is true, everything else is a guess. So after any failure
 * the server is asked for its offset before another byte is sent (article, "The offset handshake").
 *
 * @module
 */

import { digestBase64 } from './digest.js'
import { UploadError, errorFromAnswer, nonsense } from './errors.js'
import { read } from './sample.js'
import { allowanceFor } from './silence.js'

/** Milliseconds that finalization may go on after 202 before the person is told to look again later. */
const FINALIZE_PATIENCE = 600_000

/** @typedef {import('./types.js').RemoteSession} RemoteSession */

/**
 * @typedef {object} Journey One file on its way: what every step of it needs.
 * @property {import('./api.js').Api} api
 * @property {Blob} file
 * @property {import('./types.js').Choices} choices
 * @property {import('./types.js').World} world
 * @property {import('./patience.js').Patience} patience
 * @property {import('./speed.js').Speed} speed
 * @property {AbortSignal} signal
 * @property {() => string|null} fingerprint as far as it is known by now
 * @property {Reports} on
 */

/**
 * @typedef {object} Reports
 * @property {(offset: number) => void} confirmed
 * @property {(bytes: number) => void} begun a request with so many bytes begins
 * @property {(position: number) => void} sent
 * @property {(size: number) => void} chunk
 * @property {(offset: number) => void} resumed
 * @property {() => void} finishing
 */

/** Sends what the server does not have yet, and completes. */
export class Transfer {
  #offset = 0
  #highest = 0
  #chunkSize = 0
  #mustAsk = true
  /** @type {number|null} */
  #finishingSince = null

  /**
   * @param {Journey} journey
   * @param {string} sessionId
   * @param {RemoteSession|null} session as it was just opened; null: begin by asking
   */
  constructor(journey, sessionId, session) {
    this.journey = journey
    this.sessionId = sessionId
    if (session !== null) {
      this.#mustAsk = false
      this.#chunkSize = session.chunkSize
    }
  }

  /**
   * Until the server has made a file of it.
   *
   * @returns {Promise<{file: import('./types.js').RemoteFile, duplicate: boolean}>}
   * @throws {UploadError} `gone`: the session is; otherwise it is still there
   */
  async run() {
    for (;;) {
      try {
        const done = await this.#step()
        this.journey.signal.throwIfAborted()
        if (done !== null) return done
      } catch (error) {
        if (error instanceof UploadError && error.status === 409) await this.#adopt(error)
        else {
          await this.journey.patience.bear(error)
          this.#mustAsk = true
        }
      }
    }
  }

  async #step() {
    if (this.#mustAsk) return this.#ask()
    if (this.#offset < this.journey.file.size) return this.#sendChunk()
    return this.#complete()
  }

  async #ask() {
    const { api, file, signal, on } = this.journey
    const { session, retryAfter } = await api.status(this.sessionId, signal)
    if (session.fileSize !== file.size) throw nonsense('its upload is about another file')
    if (session.state === 'rejected') throw errorFromAnswer(422, session.problem, null)
    this.#chunkSize = session.chunkSize
    this.#confirm(session.uploadedBytes)
    this.#mustAsk = session.state === 'finalizing'
    if (this.#mustAsk) await this.#waitForFinalization(retryAfter)
    // Completed: asking for it once more answers what the status does not tell, whether it is a duplicate.
    else if (session.state !== 'completed' && this.#finishingSince === null) on.resumed(this.#offset)
    return null
  }

  async #sendChunk() {
    const { api, file, choices, world, signal, speed, on } = this.journey
    const offset = this.#offset
    const size = Math.min(this.#chunkSize, file.size - offset)
    const began = world.clock()
    on.begun(size)
    const confirmed = await this.#whileReadable(offset, async () => {
      // The slice is sent, not what was read for the digest: the browser then streams it from the disk, and
      // a file that changes in between is noticed by the server.
      const digest = choices.digest ? await digestBase64(await read(file, offset, offset + size)) : null
      return api.append(this.sessionId, offset, digest, {
        body: file.slice(offset, offset + size),
        size,
        signal,
        onSent: (bytes) => on.sent(offset + Math.min(bytes, size)),
        allowance: allowanceFor(choices.stallTimeout, size, speed.bytesPerSecond),
        isOnline: world.isOnline,
      })
    })
    if (confirmed <= offset || confirmed > file.size) {
      throw nonsense(`it confirms ${confirmed} bytes after a chunk at ${offset}`)
    }
    speed.add(confirmed - offset, world.clock() - began)
    this.#confirm(confirmed)
    on.chunk(size)
    return null
  }

  /**
   * A file that changed or vanished looks like a broken connection to whoever sends it. So after one, a byte
   * is read: if that fails, the connection was not to blame.
   *
   * @template T
   * @param {number} offset
   * @param {() => Promise<T>} send
   * @returns {Promise<T>}
   */
  async #whileReadable(offset, send) {
    try {
      return await send()
    } catch (error) {
      if (error instanceof UploadError && error.kind === 'network') {
        await read(this.journey.file, offset, offset + 1)
      }
      throw error
    }
  }

  async #complete() {
    const { api, signal, fingerprint, on } = this.journey
    on.finishing()
    const { file, duplicate, retryAfter } = await api.complete(this.sessionId, fingerprint(), signal)
    if (file !== null) return { file, duplicate }
    this.#mustAsk = true
    await this.#waitForFinalization(retryAfter)
    return null
  }

  /** @param {number|null} retryAfter milliseconds */
  async #waitForFinalization(retryAfter) {
    const { world, signal, on } = this.journey
    on.finishing()
    const now = world.clock()
    this.#finishingSince ??= now
    if (now - this.#finishingSince > FINALIZE_PATIENCE) {
      throw new UploadError('finishing', 'Every byte has arrived, and the server is still busy with the file.')
    }
    // A server that says 0 is asked ten times a second, not ten thousand times.
    await world.sleep(Math.min(Math.max(retryAfter ?? 1000, 100), 60_000), signal)
  }

  /**
   * 409: the server knows better. Counted like a failure unless it brought progress, or two sides that never
   * agree would go on for ever. Waited for only when the server contradicts itself.
   *
   * @param {UploadError} refusal
   */
  async #adopt(refusal) {
    const { patience, file } = this.journey
    const found = refusal.uploadedBytes
    const disagreement = new UploadError('network', refusal.message, refusal)
    if (refusal.code === 'wrong-state' || found === null || found > file.size) {
      await patience.bear(disagreement)
      this.#mustAsk = true
      return
    }
    if (found <= this.#highest) await patience.bear(disagreement, { atOnce: found !== this.#offset })
    this.#confirm(found)
  }

  /** @param {number} offset */
  #confirm(offset) {
    this.#offset = offset
    if (offset > this.#highest) {
      this.#highest = offset
      this.journey.patience.progress()
    }
    this.journey.on.confirmed(offset)
  }
}
