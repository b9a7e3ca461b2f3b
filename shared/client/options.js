/**
 * Options: their defaults, each with its meaning in `types.js`, and what is no option.
 *
 * @module
 */

import { UploadError } from './errors.js'

/** @typedef {import('./types.js').Choices} Choices */
/** @typedef {import('./types.js').Events} Events */
/** @typedef {import('./types.js').UploadOptions} UploadOptions */

/** @type {Omit<Choices, 'endpoint'>} */
export const DEFAULTS = Object.freeze({
  chunkSize: null,
  retryDelays: [1000, 3000],
  headers: {},
  fingerprint: 'auto',
  digest: false,
  fileName: null,
  mimeType: null,
  resume: true,
  capabilities: null,
  stallTimeout: 60_000,
})

/**
 * @param {UploadOptions} options
 * @returns {Choices}
 * @throws {UploadError} one has no meaning
 */
export function choicesFrom(options) {
  /** @type {Choices} */
  const choices = {
    endpoint: options.endpoint,
    chunkSize: options.chunkSize ?? DEFAULTS.chunkSize,
    retryDelays: options.retryDelays === undefined ? DEFAULTS.retryDelays : options.retryDelays,
    headers: options.headers ?? DEFAULTS.headers,
    fingerprint: options.fingerprint ?? DEFAULTS.fingerprint,
    digest: options.digest ?? DEFAULTS.digest,
    fileName: options.fileName ?? DEFAULTS.fileName,
    mimeType: options.mimeType ?? DEFAULTS.mimeType,
    resume: options.resume ?? DEFAULTS.resume,
    capabilities: options.capabilities ?? DEFAULTS.capabilities,
    stallTimeout: options.stallTimeout ?? DEFAULTS.stallTimeout,
  }
  check('endpoint', typeof choices.endpoint === 'string' && choices.endpoint !== '', 'the address of /upload')
  const { chunkSize, retryDelays, fingerprint, stallTimeout } = choices
  check('chunkSize', chunkSize === null || (Number.isSafeInteger(chunkSize) && chunkSize > 0), 'bytes')
  check('retryDelays', retryDelays === null || retryDelays.every((delay) => delay >= 0), 'milliseconds')
  check('fingerprint', ['auto', 'before', 'beside', 'off'].includes(fingerprint), 'auto, before, beside or off')
  check('stallTimeout', stallTimeout > 0, 'milliseconds')
  return Object.freeze(choices)
}

/**
 * @param {string} name
 * @param {boolean} meaningful
 * @param {string} meaning
 */
function check(name, meaningful, meaning) {
  if (!meaningful) throw new UploadError('usage', `The option \`${name}\` takes ${meaning}.`)
}

function nothing() {}

/**
 * Every event, as a function that never throws into the upload: a page's mistake is reported like any
 * uncaught error, and the file goes its way.
 *
 * @param {Partial<Events>} given
 * @returns {Events}
 */
export function eventsFrom(given) {
  return {
    onStateChange: guarded(given.onStateChange),
    onProgress: guarded(given.onProgress),
    onSent: guarded(given.onSent),
    onFingerprintProgress: guarded(given.onFingerprintProgress),
    onFingerprint: guarded(given.onFingerprint),
    onChunkComplete: guarded(given.onChunkComplete),
    onResume: guarded(given.onResume),
    onRetry: guarded(given.onRetry),
    onSuccess: guarded(given.onSuccess),
    onError: guarded(given.onError),
    onShouldRetry: given.onShouldRetry ?? null,
  }
}

/**
 * @template {unknown[]} A
 * @param {((...told: A) => void)|undefined} listener
 * @returns {(...told: A) => void}
 */
function guarded(listener = nothing) {
  return (...told) => {
    try {
      listener(...told)
    } catch (error) {
      report(error)
    }
  }
}

/** As if nobody had caught it. @param {unknown} error */
function report(error) {
  if (typeof globalThis.reportError === 'function') return globalThis.reportError(error)
  setTimeout(() => {
    throw error
  })
}
