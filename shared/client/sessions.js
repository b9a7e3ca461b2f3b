/**
 * What a tab remembers of uploads it began, so that a reload can go on with them.
 *
 * `sessionStorage` because its life is the tab's (article, "Where the browser keeps the session ID"): it
 * survives a reload and ends when the tab is closed. Storage that is full or forbidden costs the resumption
 * after a reload and nothing else, so no failure in here stops an upload.
 *
 * @module
 */

const PREFIX = 'upload-session:'

/**
 * @typedef {object} StoredSession
 * @property {string} key
 * @property {string} sessionId
 * @property {string} fileName
 * @property {number} fileSize bytes
 * @property {number} lastModified milliseconds since 1970
 * @property {number} uploadedBytes last confirmed offset
 * @property {string|null} fingerprint as declared at init
 * @property {string} sample recognises the content, see `sample.js`
 * @property {number} storedAt milliseconds since 1970
 */

/**
 * PROTOCOL.md, `client/session-key`. Size and time keep a different file of the same name apart.
 *
 * @param {string} endpoint
 * @param {string} fileName
 * @param {number} fileSize bytes
 * @param {number} lastModified
 */
export function sessionKey(endpoint, fileName, fileSize, lastModified) {
  return `${PREFIX}${endpoint}:${fileName}:${fileSize}:${lastModified}`
}

/**
 * @param {Storage|null} storage
 * @param {string} key
 * @returns {StoredSession|null}
 */
export function loadSession(storage, key) {
  try {
    const stored = JSON.parse(storage?.getItem(key) ?? 'null')
    return isSession(stored) ? { ...stored, key } : null
  } catch {
    return null
  }
}

/**
 * @param {Storage|null} storage
 * @param {StoredSession} session
 * @returns {boolean} whether it is remembered
 */
export function saveSession(storage, { key, ...session }) {
  if (storage === null) return false
  try {
    storage.setItem(key, JSON.stringify(session))
    return true
  } catch {
    return false
  }
}

/**
 * @param {Storage|null} storage
 * @param {string} key
 */
export function forgetSession(storage, key) {
  try {
    storage?.removeItem(key)
  } catch {
    // Left behind, it costs the next upload of this file one question.
  }
}

/**
 * Everything remembered for one endpoint, newest first.
 *
 * @param {Storage|null} storage
 * @param {string} endpoint
 * @returns {StoredSession[]}
 */
export function storedSessions(storage, endpoint) {
  /** @type {StoredSession[]} */
  const found = []
  try {
    for (let index = 0; index < (storage?.length ?? 0); index += 1) {
      const key = storage?.key(index)
      const session = key?.startsWith(`${PREFIX}${endpoint}:`) ? loadSession(storage, key) : null
      // An endpoint may be the beginning of another one; the parts tell which it is.
      if (session && key === sessionKey(endpoint, session.fileName, session.fileSize, session.lastModified))
        found.push(session)
    }
  } catch {
    return []
  }
  return found.sort((one, other) => other.storedAt - one.storedAt)
}

/**
 * @param {any} stored
 */
function isSession(stored) {
  return (
    typeof stored?.sessionId === 'string' &&
    typeof stored.fileName === 'string' &&
    Number.isSafeInteger(stored.fileSize) &&
    Number.isSafeInteger(stored.lastModified) &&
    Number.isSafeInteger(stored.uploadedBytes)
  )
}

/** Keys in use by this page. Two files can share one: same name, size and time, from two folders. */
const inUse = new Set()

/**
 * Take a key for one upload. Whoever comes second gets false, and neither loads nor stores under it: two
 * files in one session would become one broken file.
 *
 * @param {string} key
 */
export function takeKey(key) {
  if (inUse.has(key)) return false
  inUse.add(key)
  return true
}

/** @param {string} key */
export function releaseKey(key) {
  inUse.delete(key)
}

/** @param {string} key */
export function isInUse(key) {
  return inUse.has(key)
}
