/**
 * SHA-256 of a whole file, block by block, beside the page: nothing holds more than two blocks in memory, and
 * the page stays smooth.
 *
 * Takes `{file}` once, then `'pause'` and `'resume'`. Says `{hashed}` now and then, and at the end one of
 * `{value}`, `{missing}` (the library is not to be had) and `{unreadable}`.
 *
 * The library is hash-wasm as npm delivers it, reached without a bundler: its UMD build leaves a global
 * behind. WebAssembly needs `'wasm-unsafe-eval'` in the policy of this script, not in the page's.
 *
 * @module
 */

const LIBRARY = './vendor/hash-wasm/sha256.umd.min.js'

/** Bytes read at once. Measured: see README.md. */
const BLOCK = 4 * 1024 * 1024

/** Milliseconds between two words about progress. */
const PACE = 100

/**
 * @typedef {object} IncrementalHash
 * @property {() => void} init
 * @property {(bytes: Uint8Array) => void} update
 * @property {() => string} digest lower-case hex
 */

/** @type {(() => void)|null} */
let goOn = null
/** @type {Promise<void>|null} */
let pausing = null

self.onmessage = ({ data }) => {
  if (data === 'pause') {
    pausing ??= new Promise((resolve) => {
      goOn = resolve
    })
  } else if (data === 'resume') {
    goOn?.()
    pausing = null
  } else {
    hash(data.file).then((answer) => self.postMessage(answer))
  }
}

/** @returns {Promise<IncrementalHash>} */
async function createHash() {
  await import(/** @type {any} */ (LIBRARY))
  return /** @type {any} */ (globalThis).hashwasm.createSHA256()
}

/** @param {Blob} file */
async function hash(file) {
  /** @type {IncrementalHash} */
  let sha256
  try {
    sha256 = await createHash()
  } catch (error) {
    return { missing: String(error) }
  }
  try {
    sha256.init()
    let told = performance.now()
    let next = read(file, 0)
    for (let offset = 0; offset < file.size; offset += BLOCK) {
      const block = await next
      next = read(file, offset + BLOCK) // the disk works while this block is hashed
      next.catch(() => {}) // reported when it is waited for
      sha256.update(block)
      if (pausing !== null) await pausing
      if (performance.now() - told < PACE) continue
      told = performance.now()
      self.postMessage({ hashed: Math.min(offset + BLOCK, file.size) })
    }
    return { value: sha256.digest() }
  } catch (error) {
    return { unreadable: String(error) }
  }
}

/**
 * @param {Blob} file
 * @param {number} offset
 */
async function read(file, offset) {
  return new Uint8Array(await file.slice(offset, offset + BLOCK).arrayBuffer())
}
