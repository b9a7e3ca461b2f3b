/**
 * SHA-256 by the browser itself (SubtleCrypto): quick, and with everything in memory. For chunks, and for
 * whole files that are small enough.
 *
 * @module
 */

import { UploadError } from './errors.js'

/** Whether this page may use it: browsers lend it to https pages and to localhost. */
export function canDigest() {
  return globalThis.crypto?.subtle !== undefined
}

/**
 * For `Content-Digest` (RFC 9530).
 *
 * @param {BufferSource} bytes
 * @returns {Promise<string>} base64
 * @throws {UploadError} the page is not a secure one
 */
export async function digestBase64(bytes) {
  if (!canDigest()) {
    throw new UploadError('usage', 'The option `digest` needs a page from https or localhost.')
  }
  return btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))))
}

/**
 * For fingerprints.
 *
 * @param {BufferSource} bytes
 * @returns {Promise<string>} lower-case hex
 */
export async function digestHex(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
