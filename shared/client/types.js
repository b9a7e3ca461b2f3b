/**
 * The shapes that cross module borders. Types only: nothing here exists at run time.
 *
 * @module
 */

/**
 * Where an upload stands, in words a page can translate.
 *
 * - `waiting`: made, not started.
 * - `hashing`: the fingerprint is being computed, and nothing is being sent.
 * - `uploading`: chunks are on their way (at level 1: the one request).
 * - `paused`: by `pause()`. `resume()` asks the server for its offset and goes on.
 * - `offline`: the browser says that there is no network. Goes on by itself.
 * - `retrying`: something failed and is tried again in `retryIn` milliseconds. `resume()` tries now.
 * - `finishing`: every byte is confirmed, and the server makes a file of them.
 * - `done`: the server has made a file of it.
 * - `duplicate`: the server had these bytes before.
 * - `failed`: see `error`. When `error.resumable`, `start()` goes on where it stopped.
 * - `cancelled`: by `abort({ cancel: true })`.
 *
 * @typedef {'waiting'|'hashing'|'uploading'|'paused'|'offline'|'retrying'|'finishing'|'done'|'duplicate'
 *   |'failed'|'cancelled'} UploadState
 */

/**
 * @typedef {object} RemoteFile A finished file, as the server describes it.
 * @property {string} fileId
 * @property {string} fileName
 * @property {number} fileSize bytes
 * @property {string} mimeType what the bytes say
 * @property {string} fingerprint SHA-256, lower-case hex
 * @property {string} createdAt RFC 3339
 */

/**
 * @typedef {object} RemoteSession The server's account of an upload.
 * @property {string} sessionId
 * @property {string} state `uploading`, `finalizing`, `completed` or `rejected`
 * @property {number} uploadedBytes the committed offset
 * @property {number} fileSize bytes
 * @property {number} chunkSize bytes
 * @property {RemoteFile|null} file once completed
 * @property {Problem|null} problem once rejected
 */

/**
 * @typedef {object} Problem An error in the server's words (RFC 9457).
 * @property {string} [title]
 * @property {string} [detail]
 * @property {string} [code]
 * @property {number} [status]
 * @property {number} [uploadedBytes]
 */

/**
 * @typedef {object} Capabilities What a server says of itself at `GET /upload`.
 * @property {number} level
 * @property {string[]} claims
 * @property {number} maxFileSize bytes
 * @property {{default: number, minimum: number, maximum: number}|null} chunkSize bytes; null where files are
 *   not cut
 * @property {number|null} sessionTtl seconds
 * @property {{upload: string, files: string, preflight: string|null, ticket: string|null}} links absolute
 */

/**
 * @typedef {object} UploadResult
 * @property {RemoteFile} file
 * @property {'sent'|'resumed'|'already-there'} how sent in one go; resumed at least once; recognised, nothing
 *   or not all of it was sent
 * @property {boolean} duplicate the server had these bytes before
 * @property {number} bytesSent bytes of content whose sending was begun, repeats included
 */

/**
 * @typedef {object} Fingerprint What became of the fingerprint.
 * @property {string|null} value SHA-256, lower-case hex
 * @property {string} reason why there is none, in words for the person; '' when there is one
 */

/**
 * @typedef {object} HashJob One file being hashed.
 * @property {Promise<string>} result SHA-256, lower-case hex. Rejects with an `UploadError` of kind
 *   `unreadable`, or with `NoFingerprint`
 * @property {() => void} pause
 * @property {() => void} resume
 * @property {() => void} cancel `result` then never settles
 */

/**
 * @callback Hasher
 * @param {Blob} file
 * @param {(hashed: number) => void} onProgress bytes
 * @returns {HashJob}
 */

/**
 * @callback Sleep
 * @param {number} milliseconds
 * @param {AbortSignal} signal ends the sleep: the promise rejects with its reason
 * @returns {Promise<void>}
 */

/**
 * @callback WhenOnline
 * @param {AbortSignal} signal ends the wait: the promise rejects with its reason
 * @returns {Promise<void>}
 */

/**
 * @typedef {object} World What the upload borrows from its surroundings. Tests hand in their own.
 * @property {typeof fetch} fetch
 * @property {Storage|null} storage where sessions are remembered; null: nowhere
 * @property {() => number} clock milliseconds, monotonic
 * @property {Sleep} sleep
 * @property {() => number} random 0 ≤ x < 1
 * @property {Hasher} hasher
 * @property {() => boolean} isOnline
 * @property {WhenOnline} whenOnline
 */

/** @typedef {Record<string, string>} Headers_ */

/**
 * @typedef {object} Choices How to upload.
 * @property {string} endpoint the address of `/upload`; may be relative to the page. Stands in the session key
 * @property {number|null} chunkSize a wish, in bytes; the server decides
 * @property {number[]|null} retryDelays milliseconds before the second try, the third, …; null: no retries
 * @property {Headers_|(() => Headers_)} headers sent with every request
 * @property {'auto'|'before'|'beside'|'off'} fingerprint when to hash: before the first chunk, beside the
 *   chunks, by size, or never
 * @property {boolean} digest send `Content-Digest` with each chunk
 * @property {string|null} fileName instead of the file's own
 * @property {string|null} mimeType instead of the file's own
 * @property {boolean} resume go on with what this tab began earlier
 * @property {Capabilities|null} capabilities as from `getCapabilities`; null: ask
 * @property {number} stallTimeout milliseconds without a sign of life before a connection counts as dead
 */

/**
 * @typedef {object} Events
 * @property {(state: UploadState, upload: Upload) => void} onStateChange
 * @property {(bytesConfirmed: number, bytesTotal: number) => void} onProgress what the server has confirmed
 * @property {(position: number, bytesTotal: number) => void} onSent confirmed bytes, and those of the chunk
 *   on its way that were handed to the network
 * @property {(bytesHashed: number, bytesTotal: number) => void} onFingerprintProgress
 * @property {(fingerprint: Fingerprint) => void} onFingerprint
 * @property {(chunkSize: number, bytesAccepted: number, bytesTotal: number) => void} onChunkComplete
 * @property {(offset: number) => void} onResume the server was asked; the upload goes on from its answer
 * @property {(error: UploadError, milliseconds: number) => void} onRetry a try failed; the next comes then
 * @property {(result: UploadResult) => void} onSuccess
 * @property {(error: UploadError) => void} onError
 * @property {((error: UploadError, retryAttempt: number, choices: Choices) => boolean)|null} onShouldRetry
 *   overrides which failures are tried again; null: network errors, 5xx, 408 and 429
 */

/** @typedef {import('./errors.js').UploadError} UploadError */
/** @typedef {import('./uploader.js').Upload} Upload */

/** @typedef {{ endpoint: string } & Partial<Choices & Events & World>} UploadOptions */

export {}
