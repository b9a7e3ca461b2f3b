/**
 * The protocol's requests, one function each. No retries and no loops: those are in `transfer.js`.
 *
 * @module
 */

import { Http } from './http.js'
import { Tickets } from './tickets.js'
import { absolute, capabilitiesFrom, fileFrom, offsetFrom, sessionFrom } from './wire.js'

/** @typedef {import('./types.js').Capabilities} Capabilities */
/** @typedef {import('./types.js').RemoteFile} RemoteFile */
/** @typedef {import('./transport.js').Sending} Sending */

/**
 * `GET /upload`: which level is this, and what does it take?
 *
 * @param {Http} http
 * @param {string} endpoint
 * @param {AbortSignal} [signal]
 * @returns {Promise<Capabilities>}
 */
export async function askCapabilities(http, endpoint, signal) {
  const address = absolute(endpoint)
  return capabilitiesFrom((await http.ask('GET', address, { signal })).body, address)
}

/** Levels 2 to 4, as this client sees them. Every method rejects with `UploadError`. */
export class Api {
  /**
   * @param {Http} http
   * @param {Capabilities} capabilities
   * @param {import('./transport.js').Transport} transport
   */
  constructor(http, capabilities, transport) {
    this.http = http
    this.links = capabilities.links
    this.transport = transport
    this.tickets = new Tickets(http, capabilities.links.ticket)
  }

  /**
   * Whether the server has these bytes already (article, "Fingerprinting and deduplication").
   *
   * @param {string} fingerprint
   * @param {number} fileSize bytes
   * @param {AbortSignal} signal
   * @returns {Promise<RemoteFile|null>}
   */
  async preflight(fingerprint, fileSize, signal) {
    const address = this.links.preflight
    if (address === null) return null
    const document = { fingerprint, fileSize }
    const { body } = await this.tickets.with((headers) =>
      this.http.ask('POST', address, { document, headers, signal }),
    )
    return body?.exists === true ? fileFrom(body.file) : null
  }

  /**
   * Open a session. Not to be interrupted: the server might have opened it, and nobody would know its name.
   *
   * @param {{fileName: string, fileSize: number, mimeType?: string, fingerprint?: string, chunkSize?: number}}
   *   document sizes in bytes
   */
  async init(document) {
    const { body } = await this.tickets.with((headers) =>
      this.http.ask('POST', `${this.links.upload}/init`, { document, headers }),
    )
    return sessionFrom(body)
  }

  /**
   * Where are we?
   *
   * @param {string} sessionId
   * @param {AbortSignal} signal
   */
  async status(sessionId, signal) {
    const { body, retryAfter } = await this.http.ask('GET', this.#session(sessionId), { signal })
    return { session: sessionFrom(body), retryAfter }
  }

  /**
   * Send one chunk.
   *
   * @param {string} sessionId
   * @param {number} offset bytes
   * @param {string|null} digest base64 of the chunk's SHA-256 (RFC 9530)
   * @param {Pick<Sending, 'body'|'size'|'signal'|'onSent'|'allowance'|'isOnline'>} sending
   * @returns {Promise<number>} the confirmed offset
   */
  async append(sessionId, offset, digest, sending) {
    const headers = {
      ...this.http.commonHeaders(),
      'Content-Type': 'application/octet-stream',
      'x-upload-offset': String(offset),
      ...(digest === null ? {} : { 'Content-Digest': `sha-256=:${digest}:` }),
    }
    const answer = await this.transport({
      ...sending,
      method: 'PUT',
      url: this.#session(sessionId),
      headers,
    })
    return offsetFrom(answer.body)
  }

  /**
   * Ask for finalization. May be repeated: the answer stays the same.
   *
   * @param {string} sessionId
   * @param {string|null} fingerprint
   * @param {AbortSignal} signal
   * @returns {Promise<{file: RemoteFile|null, duplicate: boolean, retryAfter: number|null}>} no file: not yet
   */
  async complete(sessionId, fingerprint, signal) {
    const document = fingerprint === null ? undefined : { fingerprint }
    const address = `${this.#session(sessionId)}/complete`
    const { status, body, retryAfter } = await this.http.ask('POST', address, { document, signal })
    const file = status === 202 ? null : fileFrom(body?.file)
    return { file, duplicate: body?.duplicate === true, retryAfter }
  }

  /**
   * Give the upload up; the server removes what it has.
   *
   * @param {string} sessionId
   */
  async cancel(sessionId) {
    await this.http.ask('DELETE', this.#session(sessionId))
  }

  /** @param {string} sessionId */
  #session(sessionId) {
    return `${this.links.upload}/${encodeURIComponent(sessionId)}`
  }
}
