/**
 * Where an attempt's reports go: into the facts that a page can read, then to the page's listeners.
 *
 * @module
 */

/**
 * @template {unknown[]} A
 * @typedef {(...told: A) => void} Report
 */

/** @typedef {<A extends unknown[]>(report: Report<A>) => Report<A>} IfCurrent drops what a stopped attempt says */

/**
 * @param {import('./facts.js').UploadFacts} facts
 * @param {import('./types.js').Events} events
 * @param {import('./session-memory.js').SessionMemory} session
 * @param {(activity: import('./types.js').UploadState) => void} act
 * @param {IfCurrent} ifCurrent
 */
export function reportsTo(facts, events, session, act, ifCurrent) {
  return {
    hashing: ifCurrent(() => act('hashing')),
    uploading: ifCurrent(() => act('uploading')),
    finishing: ifCurrent(() => act('finishing')),
    /** @param {number} bytes */
    begun: (bytes) => {
      facts.bytesSent += bytes
    },
    confirmed: ifCurrent((/** @type {number} */ offset) => {
      facts.confirmed = facts.sent = offset
      session.confirm(offset)
      events.onProgress(offset, facts.total)
    }),
    sent: ifCurrent((/** @type {number} */ position) => {
      facts.sent = position
      events.onSent(position, facts.total)
    }),
    chunk: ifCurrent((/** @type {number} */ size) => {
      events.onChunkComplete(size, facts.confirmed, facts.total)
    }),
    resumed: ifCurrent((/** @type {number} */ offset) => {
      facts.resumed ||= offset > 0
      events.onResume(offset)
    }),
  }
}
