/**
 * Notices connections that died without a word.
 *
 * A laptop that changes networks, a router that forgets: the browser would wait for many minutes, and the bar
 * would stand still. So a request that shows no sign of life for a while is given up and tried again.
 *
 * Two traps are avoided. A sleeping phone is no dead connection: the watch counts its own ticks and no clock,
 * and there are no ticks while the device sleeps. And when the last byte was handed to the operating system,
 * it may still lie in its buffers (megabytes, minutes on a slow line), so from then on the wait is as long as
 * the whole chunk may take. Giving up too early would send the chunk again and again.
 *
 * @module
 */

import { UploadError } from './errors.js'

/** Milliseconds between looks. */
const TICK = 1000

/** The slowest line that still counts as one, in bytes per second, while nothing has been measured. */
const SLOWEST = 16 * 1024

/** Milliseconds of silence that are borne once the browser says that it is offline. */
const OFFLINE = 5000

/**
 * How much silence is borne, in milliseconds.
 *
 * @typedef {object} Allowance
 * @property {number} sending between two steps of the body
 * @property {number} answering from the last byte handed over to the answer
 */

/**
 * @param {number} stallTimeout milliseconds
 * @param {number} bytes of the body
 * @param {number|null} speed bytes per second, as measured
 * @returns {Allowance}
 */
export function allowanceFor(stallTimeout, bytes, speed) {
  const seconds = bytes / SLOWEST
  const likely = speed === null ? seconds : Math.min(seconds, (4 * bytes) / speed)
  return { sending: stallTimeout, answering: stallTimeout + likely * 1000 }
}

/**
 * @param {Allowance} allowance
 * @param {() => boolean} isOnline
 * @param {(error: UploadError) => void} onStall called once
 */
export function watchSilence(allowance, isOnline, onStall) {
  let quiet = 0
  let limit = allowance.sending
  const timer = setInterval(() => {
    quiet += TICK
    if (quiet < (isOnline() ? limit : Math.min(limit, OFFLINE))) return
    clearInterval(timer)
    onStall(new UploadError('network', 'The connection went silent.'))
  }, Math.min(TICK, limit))
  return {
    /** A sign of life. */
    moved() {
      quiet = 0
    },
    /** The last byte is out of our hands. */
    handedOver() {
      quiet = 0
      limit = allowance.answering
    },
    end() {
      clearInterval(timer)
    },
  }
}
