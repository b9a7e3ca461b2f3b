/**
 * Sends one request whose body is bytes of the file, and says how many were handed to the network.
 *
 * `XMLHttpRequest`, because `fetch` cannot tell how much of a body is sent. Where there is none (node), or
 * where a `fetch` was handed in, `fetch` is used and nothing is said between beginning and answer.
 *
 * @module
 */

import { readAnswer, unreachable } from './http.js'
import { watchSilence } from './silence.js'

/** @typedef {import('./types.js').Headers_} Headers_ */

/**
 * @typedef {object} Sending
 * @property {string} method
 * @property {string} url
 * @property {Headers_} headers
 * @property {Blob|FormData} body
 * @property {number} size bytes of the body, about
 * @property {AbortSignal} signal ends it; the promise rejects with the signal's reason
 * @property {(bytes: number) => void} onSent bytes handed to the network so far
 * @property {import('./silence.js').Allowance} allowance
 * @property {() => boolean} isOnline
 */

/**
 * @callback Transport
 * @param {Sending} sending
 * @returns {Promise<import('./http.js').Answer>} rejects with `UploadError`
 */

/** @type {Transport} */
export function sendByXhr({ method, url, headers, body, signal, onSent, allowance, isOnline }) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const request = new XMLHttpRequest()
    const silence = watchSilence(allowance, isOnline, (error) => finish(() => reject(error), true))
    const stop = () => finish(() => reject(signal.reason), true)

    /**
     * @param {() => void} settle
     * @param {boolean} [abort]
     */
    function finish(settle, abort = false) {
      silence.end()
      signal.removeEventListener('abort', stop)
      settle()
      if (abort) request.abort()
    }

    request.upload.onprogress = ({ loaded }) => {
      silence.moved()
      if (!signal.aborted) onSent(loaded)
    }
    request.upload.onload = () => silence.handedOver()
    request.onload = () =>
      finish(() => {
        try {
          resolve(readAnswer(request.status, (name) => request.getResponseHeader(name), request.responseText))
        } catch (error) {
          reject(error)
        }
      })
    request.onerror = (event) => finish(() => reject(unreachable(event)))
    signal.addEventListener('abort', stop)
    request.open(method, url)
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
    request.send(body)
  })
}

/**
 * @param {typeof globalThis.fetch} fetch
 * @returns {Transport}
 */
export function sendByFetch(fetch) {
  return async ({ method, url, headers, body, signal, onSent, size, allowance, isOnline }) => {
    const ending = new AbortController()
    const stop = () => ending.abort(signal.reason)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop)
    const silence = watchSilence(allowance, isOnline, (error) => ending.abort(error))
    silence.handedOver()
    try {
      const response = await fetch(url, { method, headers, body, signal: ending.signal })
      const text = await response.text()
      const answer = readAnswer(response.status, (name) => response.headers.get(name), text)
      onSent(size)
      return answer
    } catch (error) {
      if (ending.signal.aborted) throw ending.signal.reason
      throw error instanceof TypeError || error instanceof DOMException ? unreachable(error) : error
    } finally {
      silence.end()
      signal.removeEventListener('abort', stop)
    }
  }
}

/**
 * @param {typeof globalThis.fetch} fetch
 * @param {boolean} handedIn
 * @returns {Transport}
 */
export function transportFor(fetch, handedIn) {
  return handedIn || typeof XMLHttpRequest === 'undefined' ? sendByFetch(fetch) : sendByXhr
}
