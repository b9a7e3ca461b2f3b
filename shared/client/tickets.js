/**
 * Level 4: a service that knows no users wants a ticket from the application that does.
 *
 * Only `init` and `preflight` carry it. The session id, which nobody can guess, is the key to all the rest.
 *
 * @module
 */

import { UploadError, nonsense } from './errors.js'

/** Milliseconds before its end at which a ticket is not used any more. */
const MARGIN = 10_000

/** @typedef {import('./types.js').Headers_} Headers_ */

/** Gets a ticket when one is needed, keeps it until it ends, and gets another one when it is refused. */
export class Tickets {
  /** @type {{ticket: string, ends: number}|null} */
  #held = null

  /**
   * @param {import('./http.js').Http} http
   * @param {string|null} address where tickets are handed out; null: none are needed
   * @param {() => number} [now] milliseconds since 1970
   */
  constructor(http, address, now = Date.now) {
    this.http = http
    this.address = address
    this.now = now
  }

  /**
   * Make a request with a ticket, and once more with a new one if the ticket was refused.
   *
   * @template T
   * @param {(headers: Headers_) => Promise<T>} request
   * @returns {Promise<T>}
   * @throws {UploadError} of the request; 401 when the application hands out no ticket
   */
  async with(request) {
    if (this.address === null) return request({})
    const used = await this.#ticket()
    try {
      return await request(bearer(used.ticket))
    } catch (error) {
      if (!(error instanceof UploadError) || error.status !== 401) throw error
      if (this.#held === used) this.#held = null
      return request(bearer((await this.#ticket()).ticket))
    }
  }

  async #ticket() {
    if (this.#held !== null && this.now() < this.#held.ends - MARGIN) return this.#held
    const { body } = await this.http.ask('POST', String(this.address))
    if (typeof body?.ticket !== 'string') throw nonsense('it has no ticket')
    const ends = Date.parse(body.expiresAt)
    this.#held = { ticket: body.ticket, ends: Number.isNaN(ends) ? Infinity : ends }
    return this.#held
  }
}

/**
 * @param {string} ticket
 * @returns {Headers_}
 */
function bearer(ticket) {
  return { Authorization: `Bearer ${ticket}` }
}
