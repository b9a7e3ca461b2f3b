/** What the tests of the client share: files, a storage, and an upload that is watched. */

import { File } from 'node:buffer'
import { createHash, webcrypto } from 'node:crypto'
import { after } from 'node:test'

import { Upload } from '../../shared/client/uploader.js'
import { Moody } from './moody.mjs'

globalThis.crypto ??= webcrypto // node 18 has it under another name

/** @returns a running server, stopped when the tests of this file are over */
export async function moody(changes) {
  const server = await Moody.start(changes)
  after(() => server.stop())
  return server
}

export function bytesOf(size, seed = 1) {
  return Uint8Array.from({ length: size }, (_, index) => (index * 31 + seed * 17 + (index >> 8)) % 256)
}

export function fileOf(size, { name = 'holiday.mp4', seed = 1, lastModified = 1700000000000, type = '' } = {}) {
  return new File([bytesOf(size, seed)], name, { lastModified, type })
}

export function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex')
}

/** `sessionStorage`, in memory. */
export class MemoryStorage {
  #items = new Map()
  get length() {
    return this.#items.size
  }
  key(index) {
    return [...this.#items.keys()][index] ?? null
  }
  getItem(key) {
    return this.#items.get(key) ?? null
  }
  setItem(key, value) {
    this.#items.set(key, String(value))
  }
  removeItem(key) {
    this.#items.delete(key)
  }
}

/** An upload that writes down what happens to it. Waits pass at once, and are noted. */
export function watched(server, file, options = {}) {
  const seen = { states: [], progress: [], sleeps: [], chunks: [], resumed: [], errors: [], fingerprint: null }
  let settle
  seen.over = new Promise((resolve) => {
    settle = resolve
  })
  seen.upload = new Upload(file, {
    endpoint: server.endpoint,
    storage: new MemoryStorage(),
    fingerprint: 'off',
    random: () => 0.5,
    sleep: async (milliseconds, signal) => {
      if (milliseconds > 0) seen.sleeps.push(Math.round(milliseconds))
      await new Promise((resolve) => setTimeout(resolve, 1))
      signal.throwIfAborted()
    },
    ...options,
    onStateChange: (state, upload) => {
      seen.states.push(state)
      options.onStateChange?.(state, upload)
    },
    onProgress: (confirmed, total) => {
      seen.progress.push(confirmed)
      options.onProgress?.(confirmed, total)
    },
    onChunkComplete: (...told) => {
      seen.chunks.push(told)
      options.onChunkComplete?.(...told)
    },
    onResume: (offset) => seen.resumed.push(offset),
    onFingerprint: (fingerprint) => {
      seen.fingerprint = fingerprint
    },
    onSuccess: (result) => settle({ result }),
    onError: (error) => {
      seen.errors.push(error)
      settle({ error })
    },
  })
  return seen
}

/** Start, and wait for the end. */
export async function finished(server, file, options) {
  const seen = watched(server, file, options)
  seen.upload.start()
  const end = await seen.over
  return { ...seen, ...end }
}

/** Until something is so; fails after twenty seconds. */
export async function until(condition, what = 'it') {
  for (let turn = 0; turn < 4000; turn += 1) {
    if (condition()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`${what} did not happen`)
}
