/**
 * Level 1: the whole file in one POST. What it cannot do is the point of the levels after it: nothing is
 * confirmed before everything is, a broken connection costs all of it, and so nothing is tried again unasked.
 *
 * @module
 */

import { UploadError } from './errors.js'
import { read } from './sample.js'
import { allowanceFor } from './silence.js'
import { fileFrom } from './wire.js'

/**
 * @param {object} request
 * @param {string} request.url
 * @param {Blob} request.file
 * @param {string} request.fileName
 * @param {import('./types.js').Headers_} request.headers
 * @param {import('./transport.js').Transport} request.transport
 * @param {number} request.stallTimeout milliseconds
 * @param {() => boolean} request.isOnline
 * @param {AbortSignal} request.signal
 * @param {(bytes: number) => void} request.onSent bytes of the file, about: the form's own are taken off
 * @returns {Promise<import('./types.js').RemoteFile>}
 * @throws {UploadError}
 */
export async function sendForm({ url, file, fileName, headers, transport, stallTimeout, isOnline, signal, onSent }) {
  const body = new FormData()
  body.append('file', file, fileName)
  try {
    const answer = await transport({
      method: 'POST',
      url,
      headers,
      body,
      size: file.size,
      signal,
      onSent: (bytes) => onSent(Math.min(bytes, file.size)),
      allowance: allowanceFor(stallTimeout, file.size, null),
      isOnline,
    })
    return fileFrom(answer.body)
  } catch (error) {
    if (error instanceof UploadError && error.kind === 'network') {
      await read(file, 0, 1)
      error.hint = 'This server takes a file in one piece: check the connection, then send all of it again.'
    }
    throw error
  }
}
