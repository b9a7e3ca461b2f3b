/**
 * What can go wrong, in plain words, with what to do next.
 *
 * @module
 */

/** @typedef {import('./types.js').Problem} Problem */

/**
 * - `network`: no answer, a broken connection, or an answer that is none of ours.
 * - `server`: 5xx, 408 or 429.
 * - `refused`: any other 4xx, or too large for the server, told before anything is sent.
 * - `unreadable`: the browser may not read the file any more, or it changed.
 * - `lost`: the server forgot the upload twice.
 * - `finishing`: every byte arrived; the server takes longer to finish than this client waits.
 * - `mismatch`: the SHA-256 of what the server stored is not the file's.
 * - `usage`: an option has no meaning, or the browser lacks what it needs.
 *
 * @typedef {'network'|'server'|'refused'|'unreadable'|'lost'|'finishing'|'mismatch'|'usage'} ErrorKind
 */

const KEPT = 'What has arrived is kept.'

/** @type {Record<string, string>} What to do next, by the problem's code. */
const HINTS = {
  'file-too-large': 'Choose a smaller file.',
  'exceeds-declared-size': 'The file grew while it was sent. Choose it again.',
  'content-rejected': 'Check that the file opens on your device and that its name ends as it should.',
  'fingerprint-mismatch': 'The file may have changed while it was sent. Choose it again.',
  'unsupported-media-type': 'Something between here and the server changes requests. Try another network.',
  unauthorized: 'Sign in again, then retry.',
  'foreign-origin': 'Uploads are not allowed from this page. Tell whoever runs it.',
  'too-many-sessions': 'Wait until other uploads are finished, then retry.',
  'insufficient-storage': `The server has no space left. ${KEPT} Retry later.`,
  'checksum-mismatch': `The connection damages data. ${KEPT} Try another network.`,
}

/** @type {Record<ErrorKind, string>} What to do next, where no code says more. */
const HINTS_BY_KIND = {
  network: `Check the connection, then retry. ${KEPT}`,
  server: `The server has trouble. ${KEPT} Retry later.`,
  refused: 'The server does not take this file as it is.',
  unreadable:
    'Choose the file again from local storage. If it lies in a cloud folder, download it to this device first.',
  lost: 'Start the upload again from the beginning.',
  finishing: 'Nothing needs to be sent again. Look again in a few minutes.',
  mismatch: 'Choose the file again and upload it once more.',
  usage: 'This is a mistake in the page, not in the file.',
}

/** Why an upload stopped, or why a try failed. `message` is a sentence for the person. */
export class UploadError extends Error {
  /**
   * @param {ErrorKind} kind
   * @param {string} message
   * @param {object} [more]
   * @param {string} [more.hint] what to do next
   * @param {string} [more.code] the problem's code
   * @param {number} [more.status] HTTP status; 0 without an answer
   * @param {Problem|null} [more.problem] the server's own words
   * @param {number|null} [more.retryAfter] milliseconds the server asks to be left alone
   * @param {unknown} [more.cause]
   */
  constructor(kind, message, more = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.name = 'UploadError'
    this.kind = kind
    this.code = more.code ?? ''
    this.status = more.status ?? 0
    this.problem = more.problem ?? null
    this.retryAfter = more.retryAfter ?? null
    this.hint = more.hint ?? HINTS[this.code] ?? HINTS_BY_KIND[kind]
    /** Whether `start()` goes on where this upload stopped. Set when it stops. */
    this.resumable = false
  }

  /** Whether sending the same thing again may help (PROTOCOL.md, `client/retry`). */
  get retryable() {
    return this.kind === 'network' || this.kind === 'server' || this.damaged
  }

  /** Whether bytes were damaged or cut off under way: the file is not to blame, so sending again helps. */
  get damaged() {
    return this.code === 'checksum-mismatch' || this.code === 'incomplete-body'
  }

  /** Whether the session is gone, with its bytes (PROTOCOL.md, `client/conflict`). */
  get gone() {
    return this.status === 404 || this.status === 410
  }

  /** The offset the server names, when it names one that can be one. */
  get uploadedBytes() {
    const bytes = this.problem?.uploadedBytes
    return typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : null
  }
}

/** There is no fingerprint, and `message` says why. No reason to stop: the upload only cannot be recognised. */
export class NoFingerprint extends Error {}

/** The person stopped it. Never shown, never handed out. */
export class Stopped extends Error {}

/**
 * @param {number} status not 2xx
 * @param {Problem|null} problem
 * @param {number|null} retryAfter milliseconds
 */
export function errorFromAnswer(status, problem, retryAfter) {
  const kind = status >= 500 || status === 408 || status === 429 ? 'server' : 'refused'
  const words = problem?.detail || problem?.title || `The server answered ${status}.`
  return new UploadError(kind, words, { status, code: problem?.code ?? '', problem, retryAfter })
}

/**
 * An answer that is none: a proxy's page, half a document.
 *
 * @param {string} what
 */
export function nonsense(what) {
  return new UploadError('network', `The server's answer makes no sense: ${what}.`)
}

/**
 * @param {unknown} cause
 */
export function unreadable(cause) {
  return new UploadError('unreadable', 'The file cannot be read any more: it was moved, changed or withdrawn.', {
    cause,
  })
}
