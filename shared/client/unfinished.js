/**
 * What a server offers, and what this tab began there and did not finish: for pages that say, on load, "choose
 * holiday.mp4 again to go on at 62 %".
 *
 * @module
 */

import { Api, askCapabilities } from './api.js'
import { cancelAtServer } from './cancel.js'
import { UploadError } from './errors.js'
import { hashFile } from './hashing.js'
import { Http } from './http.js'
import { forgetSession, isInUse, storedSessions } from './sessions.js'
import { sendByFetch } from './transport.js'
import { worldFrom } from './world.js'

/** @typedef {Partial<import('./types.js').World> & Partial<import('./types.js').Choices>} Means */

/**
 * @typedef {object} Unfinished
 * @property {string} key of the storage
 * @property {string} sessionId
 * @property {string} fileName
 * @property {number} fileSize bytes
 * @property {number} lastModified milliseconds since 1970
 * @property {number} uploadedBytes confirmed by the server; when it cannot be reached, as last heard
 * @property {'uploading'|'finalizing'|'unknown'} state `unknown`: the server could not be asked
 * @property {number} storedAt milliseconds since 1970
 */

/**
 * @param {string} endpoint
 * @param {Means} [means]
 * @returns {Promise<import('./types.js').Capabilities>}
 * @throws {UploadError}
 */
export function getCapabilities(endpoint, means = {}) {
  return askCapabilities(httpFrom(means), endpoint)
}

/**
 * What this tab remembers, without asking anybody, newest first. Uploads that this page has in hand are left out.
 *
 * @param {string} endpoint
 * @param {Means} [means]
 * @returns {Unfinished[]}
 */
export function listUnfinished(endpoint, means = {}) {
  return storedSessions(worldFrom(means, hashFile).storage, endpoint)
    .filter(({ key }) => !isInUse(key))
    .map(({ key, sessionId, fileName, fileSize, lastModified, uploadedBytes, storedAt }) => ({
      key,
      sessionId,
      fileName,
      fileSize,
      lastModified,
      uploadedBytes,
      storedAt,
      state: 'unknown',
    }))
}

/**
 * The same, after asking the server. What it does not know any more, or has finished, is forgotten.
 *
 * @param {string} endpoint
 * @param {Means} [means]
 * @returns {Promise<Unfinished[]>}
 */
export async function findUnfinished(endpoint, means = {}) {
  const found = listUnfinished(endpoint, means)
  if (found.length === 0) return found
  const { storage } = worldFrom(means, hashFile)
  /** @type {Api} */
  let api
  try {
    api = await apiFrom(endpoint, means)
  } catch {
    return found
  }
  const asked = found.map(async (entry) => {
    try {
      const { session } = await api.status(entry.sessionId, new AbortController().signal)
      const { state, uploadedBytes } = session
      if (state === 'uploading' || state === 'finalizing') return { ...entry, state, uploadedBytes }
    } catch (error) {
      if (!(error instanceof UploadError) || !error.gone) return entry
    }
    if (!isInUse(entry.key)) forgetSession(storage, entry.key)
    return null
  })
  /** @type {any[]} */
  const answers = await Promise.all(asked)
  return answers.filter((entry) => entry !== null && !isInUse(entry.key))
}

/**
 * Give one up: the server removes what it has, the tab forgets it.
 *
 * @param {{key: string, sessionId: string}} entry
 * @param {Means & {endpoint: string}} means
 * @returns {Promise<boolean>} true: the server has nothing of it any more; false: it could not be told, and will
 *   remove it when the session's lifetime is over
 * @throws {UploadError} too late: the server finishes it
 */
export async function discardUnfinished(entry, means) {
  const world = worldFrom(means, hashFile)
  let told = false
  try {
    told = await cancelAtServer(await apiFrom(means.endpoint, means), entry.sessionId, world, means.retryDelays ?? [])
  } catch (error) {
    if (error instanceof UploadError && error.kind === 'refused') throw error
  }
  forgetSession(world.storage, entry.key)
  return told
}

/** @param {Means} means */
function httpFrom(means) {
  return new Http(worldFrom(means, hashFile).fetch, means.headers ?? {})
}

/**
 * @param {string} endpoint
 * @param {Means} means
 */
async function apiFrom(endpoint, means) {
  const http = httpFrom(means)
  return new Api(http, means.capabilities ?? (await askCapabilities(http, endpoint)), sendByFetch(http.fetch))
}
