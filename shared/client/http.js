/**
 * One request, one answer: JSON in both directions, errors as `UploadError`. No retries.
 *
 * @module
 */

import { UploadError, errorFromAnswer, nonsense } from './errors.js'

/** @typedef {import('./types.js').Headers_} Headers_ */

/**
 * @typedef {object} Answer
 * @property {number} status 2xx
 * @property {any} body parsed JSON; null when there was no body
 * @property {number|null} retryAfter milliseconds
 */

/** Milliseconds that a request without a file in it may take. `complete` may wait for finalization first. */
const PATIENCE = 60_000

/** Asks one server, with the headers that every request carries. */
export class Http {
  /**
   * @param {typeof globalThis.fetch} fetch
   * @param {Headers_|(() => Headers_)} headers
   * @param {number} [patience] milliseconds
   */
  constructor(fetch, headers, patience = PATIENCE) {
    this.fetch = fetch
    this.patience = patience
    this.commonHeaders = () => (typeof headers === 'function' ? headers() : headers)
  }

  /**
   * @param {string} method
   * @param {string} url
   * @param {object} [more]
   * @param {object} [more.document] the JSON to send
   * @param {Headers_} [more.headers]
   * @param {AbortSignal} [more.signal]
   * @returns {Promise<Answer>}
   * @throws {UploadError} not 2xx, or no answer
   */
  async ask(method, url, { document, headers, signal } = {}) {
    const ending = new AbortController()
    const stop = () => ending.abort(signal?.reason)
    if (signal?.aborted) stop()
    signal?.addEventListener('abort', stop)
    const late = new UploadError('network', 'The server does not answer.')
    const timer = setTimeout(() => ending.abort(late), this.patience)
    try {
      const response = await this.fetch(url, {
        method,
        cache: 'no-store',
        headers: {
          ...this.commonHeaders(),
          ...(document === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...headers,
        },
        body: document === undefined ? null : JSON.stringify(document),
        signal: ending.signal,
      })
      return readAnswer(response.status, (name) => response.headers.get(name), await response.text())
    } catch (error) {
      if (ending.signal.aborted) throw ending.signal.reason
      throw error instanceof UploadError ? error : unreachable(error)
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
    }
  }
}

/**
 * @param {number} status
 * @param {(name: string) => string|null} header
 * @param {string} text
 * @returns {Answer}
 * @throws {UploadError} not 2xx, or no JSON
 */
export function readAnswer(status, header, text) {
  const retryAfter = parseRetryAfter(header('Retry-After'))
  let body = null
  try {
    body = text === '' ? null : JSON.parse(text)
  } catch {
    // A proxy's page. With an error status, the status says enough.
    if (status >= 200 && status < 300) throw nonsense('it is not JSON')
  }
  if (status < 200 || status >= 300) {
    throw errorFromAnswer(status, typeof body === 'object' ? body : null, retryAfter)
  }
  return { status, body, retryAfter }
}

/**
 * Seconds, or a date (RFC 9110, 10.2.3).
 *
 * @param {string|null} text
 * @param {number} [now] milliseconds since 1970
 * @returns {number|null} milliseconds
 */
export function parseRetryAfter(text, now = Date.now()) {
  if (text === null) return null
  if (/^\s*\d{1,9}\s*$/.test(text)) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? null : Math.max(0, date - now)
}

/**
 * @param {unknown} cause
 */
export function unreachable(cause) {
  return new UploadError('network', 'The connection to the server broke or could not be made.', { cause })
}
