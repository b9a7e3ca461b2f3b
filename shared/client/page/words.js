// What the page says: sizes, times and states in words. Pure; the same words wherever something is said twice.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/**
 * `8388608` → `8.0 MiB`.
 * @param {number} bytes
 * @param {number} [like] use the unit that this many bytes would have
 */
export function size(bytes, like = bytes) {
  const unit = Math.min(UNITS.length - 1, like < 1024 ? 0 : Math.floor(Math.log2(like) / 10))
  const amount = bytes / 1024 ** unit
  return `${unit === 0 ? amount : amount.toFixed(1)} ${UNITS[unit]}`
}

/**
 * `3.0 of 8.0 MiB`.
 * @param {number} part
 * @param {number} whole
 */
export function sizeOf(part, whole) {
  return `${size(part, whole).split(' ')[0]} of ${size(whole)}`
}

/**
 * Whole per cent; 100 only when all is there.
 * @param {number} part
 * @param {number} whole
 */
export function percent(part, whole) {
  return whole === 0 ? 0 : Math.floor((part / whole) * 100)
}

/**
 * `75` → `1 min 15 s`; rougher the longer it is.
 * @param {number} seconds
 */
export function duration(seconds) {
  const whole = Math.max(1, Math.round(seconds))
  if (whole < 60) return `${whole}\u00a0s`
  if (whole < 600) return `${Math.floor(whole / 60)}\u00a0min ${whole % 60}\u00a0s`
  if (whole < 5400) return `${Math.round(whole / 60)}\u00a0min`
  return `${Math.round(whole / 3600)}\u00a0h`
}

/**
 * The end of a name as a word for its tile: `PDF`.
 * @param {string} name
 */
export function kind(name) {
  const found = /\.([a-z0-9]{1,4})$/iu.exec(name)
  return found ? found[1].toUpperCase() : 'FILE'
}

/**
 * When it was.
 * @param {string} moment RFC 3339
 */
export function when(moment) {
  const date = new Date(moment)
  if (Number.isNaN(date.getTime())) return ''
  return new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' }).format(date)
}

/** @type {Record<number, string>} */
const LEVELS = {
  1: 'a single request',
  2: 'chunks to a local disk',
  3: 'chunks to object storage',
  4: 'a dedicated upload service',
}

/**
 * What kind of server this is.
 * @param {number} level
 */
export function levelName(level) {
  return LEVELS[level] ? `Level ${level}: ${LEVELS[level]}` : ''
}

/**
 * What the server takes, told before anything is sent.
 * @param {import('../types.js').Capabilities} capabilities
 */
export function limits(capabilities) {
  const most = `Up to ${size(capabilities.maxFileSize).replace('.0 ', ' ')} per file`
  if (capabilities.chunkSize === null) {
    return `${most}, each in one single request: if the connection breaks, that file starts over.`
  }
  return `${most}. An upload that is interrupted goes on where it stopped.`
}

/**
 * Where an upload stands, in one sentence.
 * @param {import('../uploader.js').Upload} upload
 * @param {string} state as shown: what the queue holds back is `waiting` or `paused`, whatever the upload says
 * @param {number} secondsToRetry
 */
export function state(upload, state, secondsToRetry) {
  const done = percent(upload.confirmed, upload.total)
  switch (state) {
    case 'waiting':
      return 'Waiting for its turn'
    case 'hashing':
      return `Looking whether the server has it: ${percent(upload.hashed, upload.total)} % read`
    case 'uploading':
      if (upload.chunked !== false) return `Uploading: ${done} %`
      return upload.sent < upload.total ? 'Sending in one request' : 'Everything is handed over. Waiting for the answer'
    case 'paused':
      return done > 0 ? `Paused at ${done} %` : 'Paused'
    case 'offline':
      return 'You are offline. It goes on by itself when the connection is back'
    case 'retrying':
      return secondsToRetry > 0
        ? `The connection broke. Trying again in ${duration(secondsToRetry)}`
        : 'The connection broke. Trying again'
    case 'finishing':
      return upload.chunked === false ? 'Everything is sent. Waiting for the answer' : 'All bytes are there. The server is checking the file'
    case 'done':
      return 'Uploaded'
    case 'duplicate':
      return upload.result?.bytesSent === 0
        ? 'The server has this file already. Nothing had to be sent'
        : 'Uploaded. The server had the same file already and keeps one copy'
    case 'cancelled':
      return 'Cancelled'
    case 'failed':
      return [upload.error?.message, upload.error?.hint].filter(Boolean).join(' ')
    default:
      return state
  }
}

/**
 * The numbers beside it.
 * @param {import('../uploader.js').Upload} upload
 * @param {string} state
 */
export function figures(upload, state) {
  if (['waiting', 'hashing', 'done', 'duplicate', 'cancelled'].includes(state)) return ''
  if (upload.chunked === false) {
    if (state !== 'uploading') return ''
    return `${sizeOf(upload.sent, upload.total)} sent, which is not yet stored`
  }
  if (state === 'failed' && !upload.error?.resumable) return ''
  if (upload.confirmed === 0 && state !== 'uploading') return ''
  const parts = [`${sizeOf(upload.confirmed, upload.total)} confirmed`]
  if (state === 'uploading' && upload.speed !== null) parts.push(`${size(upload.speed)}/s`)
  if (state === 'uploading' && upload.secondsLeft !== null) parts.push(`${duration(upload.secondsLeft)} left`)
  return parts.join(' · ')
}
