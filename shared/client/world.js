/**
 * What the surroundings lend: network state, sleep, storage. Each can be handed in instead.
 *
 * @module
 */

/** @typedef {import('./types.js').World} World */

/**
 * Sleeps; a signal ends the sleep early. After a device slept it fires when the device wakes.
 *
 * @type {import('./types.js').Sleep}
 */
export function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const stop = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, milliseconds)
    signal.addEventListener('abort', stop, { once: true })
  })
}

/** What the browser believes. "Online" may still be wrong; "offline" is taken at its word only after a failure. */
export function isOnline() {
  return globalThis.navigator?.onLine !== false
}

/**
 * Resolves with the browser's `online` event.
 *
 * @type {import('./types.js').WhenOnline}
 */
export function whenOnline(signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    if (isOnline()) return resolve()
    const settle = () => {
      globalThis.removeEventListener('online', settle)
      signal.removeEventListener('abort', settle)
      if (signal.aborted) reject(signal.reason)
      else resolve()
    }
    globalThis.addEventListener('online', settle)
    signal.addEventListener('abort', settle)
  })
}

/** `sessionStorage`, or null where there is none or the browser forbids it (asking alone may throw). */
export function tabStorage() {
  try {
    return globalThis.sessionStorage ?? null
  } catch {
    return null
  }
}

/**
 * The real world, with whatever was handed in instead.
 *
 * @param {Partial<World>} given
 * @param {import('./types.js').Hasher} hasher
 * @returns {World}
 */
export function worldFrom(given, hasher) {
  return {
    fetch: given.fetch ?? ((...request) => globalThis.fetch(...request)),
    storage: given.storage === undefined ? tabStorage() : given.storage,
    clock: given.clock ?? (() => performance.now()),
    sleep: given.sleep ?? sleep,
    random: given.random ?? Math.random,
    hasher: given.hasher ?? hasher,
    isOnline: given.isOnline ?? isOnline,
    whenOnline: given.whenOnline ?? whenOnline,
  }
}
