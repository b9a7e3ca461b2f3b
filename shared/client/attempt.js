/**
 * The client's whole story of one file, told once: recognise it, or send it, going on with what was begun.
 *
 *     capabilities → fingerprint → preflight → init → chunks → complete
 *
 * @module
 */

import { Api, askCapabilities } from './api.js'
import { Stopped, UploadError } from './errors.js'
import { whenToHash } from './fingerprint.js'
import { sampleOf } from './sample.js'
import { sendForm } from './single-request.js'
import { Transfer } from './transfer.js'

/** @typedef {import('./types.js').RemoteFile} RemoteFile */
/** @typedef {import('./sessions.js').StoredSession} StoredSession */
/** @typedef {Omit<import('./types.js').UploadResult, 'bytesSent'>} Outcome */

/**
 * A session, with what init answered when it was opened just now.
 *
 * @typedef {StoredSession & {session?: import('./types.js').RemoteSession}} Opened
 */

/**
 * What outlives an attempt: the next one begins with it.
 *
 * @typedef {object} Memory
 * @property {import('./types.js').Capabilities|null} capabilities
 * @property {import('./session-memory.js').SessionMemory} session
 * @property {() => import('./fingerprint.js').FingerprintWork|null} fingerprint if it was begun
 * @property {() => import('./fingerprint.js').FingerprintWork} hash begin, if it was not begun
 * @property {() => boolean} isCancelling the session is being removed: if it is gone, nothing starts anew
 */

/**
 * @typedef {Omit<import('./transfer.js').Journey, 'api'|'fingerprint'|'on'> & {
 *   fileName: string,
 *   mimeType: string,
 *   lastModified: number,
 *   http: import('./http.js').Http,
 *   transport: import('./transport.js').Transport,
 *   memory: Memory,
 *   on: import('./transfer.js').Reports & {
 *     capabilities: (found: import('./types.js').Capabilities) => void,
 *     hashing: () => void,
 *     uploading: () => void,
 *   },
 * }} Assignment
 */

/**
 * @param {Assignment} assignment
 * @returns {Promise<Outcome>}
 * @throws {UploadError|Stopped}
 */
export async function attempt(assignment) {
  const { file, fileName, choices, world, http, transport, patience, signal, memory, on } = assignment
  const capabilities =
    memory.capabilities ??
    (await patience.untilDone(() => askCapabilities(http, choices.endpoint, signal)))
  on.capabilities(capabilities)
  if (file.size > capabilities.maxFileSize) throw tooLarge(file.size, capabilities)
  if (capabilities.chunkSize !== null) return inChunks(assignment, new Api(http, capabilities, transport))
  on.uploading()
  on.begun(file.size)
  const made = await sendForm({
    url: capabilities.links.upload,
    file,
    fileName,
    transport,
    signal,
    headers: http.commonHeaders(),
    stallTimeout: choices.stallTimeout,
    isOnline: world.isOnline,
    onSent: on.sent,
  })
  return { file: made, how: 'sent', duplicate: false }
}

/**
 * @param {Assignment} assignment
 * @param {Api} api
 * @returns {Promise<Outcome>}
 */
async function inChunks(assignment, api) {
  const { memory } = assignment
  const sample = await sampleOf(assignment.file)
  assignment.signal.throwIfAborted()
  let stored = memory.session.recall(sample)
  for (let lost = 0; ; lost += 1) {
    const opened = stored ?? (await open(assignment, api, sample))
    if ('how' in opened) return opened
    try {
      return await transfer(assignment, api, opened)
    } catch (error) {
      if (!(error instanceof UploadError)) throw error
      // Its bytes are gone with it, in both cases.
      if (error.gone || error.status === 422) memory.session.forget()
      if (!error.gone || memory.isCancelling()) throw error
      // Once: a server that loses every session would otherwise be sent the beginning for ever.
      if (lost > 0) throw new UploadError('lost', 'The server has lost this upload, twice.', { cause: error })
      stored = null
    }
  }
}

/**
 * A new session, unless the server is found to have the file.
 *
 * @param {Assignment} assignment
 * @param {Api} api
 * @param {string} sample
 * @returns {Promise<Outcome|Opened>}
 */
async function open(assignment, api, sample) {
  const { file, fileName, mimeType, lastModified, choices, patience, signal, memory, on } = assignment
  let fingerprint = memory.fingerprint()?.known?.value ?? null
  if (fingerprint === null && whenToHash(choices.fingerprint, file.size) === 'before') {
    on.hashing()
    fingerprint = (await unlessStopped(memory.hash().result, signal)).value
    const known = fingerprint
    const there = known && (await patience.untilDone(() => recognise(api, known, file.size, signal)))
    if (there) return { file: there, how: 'already-there', duplicate: true }
  }
  on.uploading()
  return patience.untilDone(async () => {
    const session = await api.init({
      fileName,
      fileSize: file.size,
      ...(mimeType === '' ? {} : { mimeType }),
      ...(fingerprint === null ? {} : { fingerprint }),
      ...(choices.chunkSize === null ? {} : { chunkSize: choices.chunkSize }),
    })
    // Kept before anything else can happen: a session that nobody remembers is litter at the server.
    const stored = {
      key: memory.session.key,
      sessionId: session.sessionId,
      fileName,
      fileSize: file.size,
      lastModified,
      uploadedBytes: 0,
      fingerprint,
      sample,
      storedAt: Date.now(),
    }
    memory.session.keep(stored)
    return { ...stored, session }
  })
}

/**
 * @param {Assignment} assignment
 * @param {Api} api
 * @param {Opened} opened
 * @returns {Promise<Outcome>}
 */
async function transfer(assignment, api, opened) {
  const { file, choices, signal, memory, on } = assignment
  on.uploading()
  const sending = new AbortController()
  const stop = () => sending.abort(signal.reason)
  signal.addEventListener('abort', stop)
  let completing = false
  const journey = {
    ...assignment,
    api,
    signal: sending.signal,
    on: {
      ...on,
      finishing: () => {
        completing = true
        on.finishing()
      },
    },
    fingerprint: () => memory.fingerprint()?.known?.value ?? null,
  }
  try {
    const sent = new Transfer(journey, opened.sessionId, opened.session ?? null).run()
    sent.catch(() => {}) // it may lose the race below
    // What an earlier page began was not recognised then, and part of it is sent: hashing it pays no more.
    const hashes =
      whenToHash(choices.fingerprint, file.size) === 'beside' &&
      (opened.session !== undefined || memory.fingerprint() !== null)
    const there = hashes ? recogniseMeanwhile(assignment, api, sending.signal, () => completing) : NEVER
    const first = await Promise.race([sent, there])
    if (!('there' in first)) {
      return { file: first.file, how: opened.session ? 'sent' : 'resumed', duplicate: first.duplicate }
    }
    sending.abort(new Stopped())
    await api.cancel(opened.sessionId).catch(() => {}) // or its lifetime removes it
    return { file: first.there, how: 'already-there', duplicate: true }
  } finally {
    signal.removeEventListener('abort', stop)
    sending.abort(new Stopped())
  }
}

/** @type {Promise<never>} */
const NEVER = new Promise(() => {})

/**
 * Hash beside the chunks. Settles only if the server turns out to have the file.
 *
 * @param {Assignment} assignment
 * @param {Api} api
 * @param {AbortSignal} signal
 * @param {() => boolean} tooLate once completion has begun, the file that the server has may be this upload's own
 * @returns {Promise<{there: RemoteFile}>}
 */
async function recogniseMeanwhile({ file, memory }, api, signal, tooLate) {
  try {
    const { value } = await memory.hash().result
    const there = value && (await recognise(api, value, file.size, signal))
    return there && !signal.aborted && !tooLate() ? { there } : NEVER
  } catch {
    return NEVER // the chunks will meet the same trouble, and say so
  }
}

/**
 * Preflight is a courtesy: where a server refuses it, the upload simply goes its way.
 *
 * @param {Api} api
 * @param {string} fingerprint
 * @param {number} size bytes
 * @param {AbortSignal} signal
 */
async function recognise(api, fingerprint, size, signal) {
  try {
    return await api.preflight(fingerprint, size, signal)
  } catch (error) {
    if (error instanceof UploadError && error.kind === 'refused') return null
    throw error
  }
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
function unlessStopped(promise, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

/**
 * @param {number} size bytes
 * @param {import('./types.js').Capabilities} capabilities
 */
function tooLarge(size, { maxFileSize, chunkSize }) {
  const limit = inWords(maxFileSize)
  const whole = chunkSize === null ? ' in its one request' : ''
  return new UploadError('refused', `The file has ${inWords(size)}; this server takes at most ${limit}${whole}.`, {
    code: 'file-too-large',
  })
}

/** @param {number} bytes */
function inWords(bytes) {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = bytes < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10))
  return `${Number((bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1))} ${units[power]}`
}
