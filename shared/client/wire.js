/**
 * What servers say, checked before it is believed. A proxy's page or half a document is a failed try, not a
 * crash.
 *
 * @module
 */

import { nonsense } from './errors.js'

/** @typedef {import('./types.js').Capabilities} Capabilities */
/** @typedef {import('./types.js').RemoteFile} RemoteFile */
/** @typedef {import('./types.js').RemoteSession} RemoteSession */

/**
 * @param {unknown} value
 * @returns {value is number}
 */
function isSize(value) {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/**
 * The endpoint as an absolute address, so that links can be relative to it.
 *
 * @param {string} endpoint
 */
export function absolute(endpoint) {
  return new URL(endpoint, globalThis.document?.baseURI ?? globalThis.location?.href).href
}

/**
 * @param {any} body
 * @param {string} address absolute
 * @returns {Capabilities}
 */
export function capabilitiesFrom(body, address) {
  const { chunkSize, links, level, maxFileSize } = body ?? {}
  if (body?.protocol !== 1) throw nonsense('it does not speak version 1 of the upload protocol')
  if (!isSize(level) || !isSize(maxFileSize)) throw nonsense('a number is missing')
  if (typeof links?.upload !== 'string' || typeof links.files !== 'string') throw nonsense('links are missing')
  if (chunkSize !== null && !isSize(chunkSize?.default)) throw nonsense('chunkSize is missing')
  /** @param {unknown} link */
  const resolve = (link) => (typeof link === 'string' ? new URL(link, address).href : null)
  return {
    level,
    maxFileSize,
    chunkSize,
    claims: Array.isArray(body.claims) ? body.claims.map(String) : [],
    sessionTtl: isSize(body.sessionTtl) ? body.sessionTtl : null,
    links: {
      upload: new URL(links.upload, address).href.replace(/\/$/, ''),
      files: new URL(links.files, address).href.replace(/\/$/, ''),
      preflight: resolve(links.preflight),
      ticket: resolve(links.ticket),
    },
  }
}

/**
 * @param {any} body
 * @returns {RemoteSession}
 */
export function sessionFrom(body) {
  const { sessionId, uploadedBytes, fileSize, chunkSize } = body ?? {}
  if (typeof sessionId !== 'string' || sessionId === '') throw nonsense('sessionId is missing')
  if (!isSize(uploadedBytes) || !isSize(fileSize) || !isSize(chunkSize)) throw nonsense('a size is missing')
  if (chunkSize === 0 || uploadedBytes > fileSize) throw nonsense('its sizes contradict each other')
  return {
    sessionId,
    uploadedBytes,
    fileSize,
    chunkSize,
    state: typeof body.state === 'string' ? body.state : 'uploading',
    file: body.file ? fileFrom(body.file) : null,
    problem: typeof body.problem === 'object' ? body.problem : null,
  }
}

/**
 * @param {any} body
 * @returns {RemoteFile}
 */
export function fileFrom(body) {
  if (typeof body?.fileId !== 'string' || typeof body.fingerprint !== 'string') {
    throw nonsense('the file is missing')
  }
  return body
}

/**
 * @param {any} body
 * @returns {number}
 */
export function offsetFrom(body) {
  if (!isSize(body?.uploadedBytes)) throw nonsense('uploadedBytes is missing')
  return body.uploadedBytes
}
