/**
 * Gives an upload up at the server.
 *
 * @module
 */

import { UploadError } from './errors.js'

/**
 * @param {import('./api.js').Api} api
 * @param {string} sessionId
 * @param {import('./types.js').World} world
 * @param {number[]|null} retryDelays milliseconds
 * @returns {Promise<boolean>} whether the server has nothing of it any more; false when it could not be told,
 *   and will remove it when the session's lifetime is over
 * @throws {UploadError} too late: it has everything, and makes a file of it
 */
export async function cancelAtServer(api, sessionId, world, retryDelays) {
  const { signal } = new AbortController()
  for (const delay of [0, ...(retryDelays ?? [])]) {
    await world.sleep(delay, signal)
    try {
      // DELETE forgets a completed session and leaves its file: to the person, that is not "cancelled".
      if ((await api.status(sessionId, signal)).session.state === 'completed') throw tooLate()
      await api.cancel(sessionId)
      return true
    } catch (error) {
      if (!(error instanceof UploadError)) throw error
      if (error.gone) return true
      if (error.code === 'wrong-state') throw tooLate()
      if (!error.retryable || !world.isOnline()) return false
    }
  }
  return false
}

export function tooLate() {
  return new UploadError('refused', 'Too late to cancel: the server has the whole file already.', {
    code: 'wrong-state',
    hint: 'It will stand among the finished files.',
  })
}
