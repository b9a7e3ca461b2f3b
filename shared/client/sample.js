/**
 * Is this the file that was begun? Name, size and time of two files can be the same (a copy, an unpacked
 * archive, a camera that counts from 1 again), and a session continued with another file ends as a mixture.
 * Hashing everything again would take as long as the first time; three short reads tell almost always.
 *
 * @module
 */

import { unreadable } from './errors.js'

const PIECE = 16 * 1024

/**
 * A short mark of the beginning, the middle and the end. Against accidents, not against forgery: the server
 * hashes every byte anyway.
 *
 * @param {Blob} file
 * @returns {Promise<string>} 8 hex digits
 * @throws {import('./errors.js').UploadError} the file cannot be read
 */
export async function sampleOf(file) {
  let hash = 0x811c9dc5 // FNV-1a, 32 bits
  const starts = [0, Math.floor((file.size - PIECE) / 2), file.size - PIECE]
  for (const start of new Set(starts.map((start) => Math.max(0, start)))) {
    for (const byte of await read(file, start, start + PIECE)) {
      hash = Math.imul(hash ^ byte, 0x01000193)
    }
  }
  return (hash >>> 0).toString(16).padStart(8, '0')
}

/**
 * @param {Blob} file
 * @param {number} start
 * @param {number} stop
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 * @throws {import('./errors.js').UploadError} the file cannot be read
 */
export async function read(file, start, stop) {
  try {
    return new Uint8Array(await file.slice(start, stop).arrayBuffer())
  } catch (error) {
    throw unreadable(error)
  }
}
