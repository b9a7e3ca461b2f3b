/**
 * The page's side of hashing: a worker with hash-wasm where it can be had, the browser's own SHA-256 for
 * files that fit into memory where it cannot, and otherwise no fingerprint and the reason why.
 *
 * @module
 */

import { canDigest, digestHex } from './digest.js'
import { NoFingerprint, unreadable } from './errors.js'
import { read } from './sample.js'

/** Bytes. SubtleCrypto takes a file whole, and the browser holds it twice while it hashes. See README.md. */
export const MEMORY_BOUND = 64 * 1024 * 1024

/**
 * @type {import('./types.js').Hasher}
 */
export function hashFile(file, onProgress) {
  /** @type {Worker|null} */
  let worker = null
  let cancelled = false
  const end = () => {
    worker?.terminate()
    worker = null
  }
  /** @type {Promise<string>} */
  const result = new Promise((resolve, reject) => {
    const fallBack = () => {
      end()
      if (!cancelled) hashInMemory(file).then(resolve, reject)
    }
    try {
      worker = new Worker(new URL('./hash-worker.js', import.meta.url), { type: 'module' })
    } catch {
      return fallBack() // no workers here, or this script comes from another origin than the page
    }
    worker.onerror = fallBack
    worker.onmessage = ({ data }) => {
      if ('hashed' in data) return onProgress(data.hashed)
      if ('missing' in data) return fallBack()
      end()
      if ('value' in data) resolve(data.value)
      else reject(unreadable(data.unreadable))
    }
    worker.postMessage({ file })
  })
  return {
    result,
    pause: () => worker?.postMessage('pause'),
    resume: () => worker?.postMessage('resume'),
    cancel: () => {
      cancelled = true
      end()
    },
  }
}

/**
 * @param {Blob} file
 * @returns {Promise<string>} lower-case hex
 */
async function hashInMemory(file) {
  if (!canDigest()) {
    throw new NoFingerprint('This page cannot compute fingerprints here, so the server cannot be asked first.')
  }
  if (file.size > MEMORY_BOUND) {
    const bound = MEMORY_BOUND / 1024 / 1024
    throw new NoFingerprint(
      `Without its hashing library, this page computes fingerprints of files up to ${bound} MiB only, so the server cannot be asked first.`,
    )
  }
  return digestHex(await read(file, 0, file.size))
}
