/** What a tab remembers: across reloads, for the right file only, and what a page can list. */

import assert from 'node:assert/strict'
import { File } from 'node:buffer'
import { test } from 'node:test'

import { discardUnfinished, findUnfinished, listUnfinished } from '../../shared/client/uploader.js'
import { answer, breakInside, hang, loseAnswer } from './moody.mjs'
import { MemoryStorage, bytesOf, fileOf, finished, moody, sha256, until, watched } from './stage.mjs'

/** An upload that stops after its first chunk, as when the page is reloaded inside the second. */
async function begun(server, storage, file = fileOf(2500), options = {}) {
  server.next('PUT', (_request, _response, serve) => serve(), answer(400, { detail: 'stop' }))
  const { upload, error } = await finished(server, file, { storage, ...options })
  assert.equal(error.message, 'stop')
  return upload
}

test('the key is the one that the protocol names, and is gone after the end', async () => {
  const server = await moody()
  const storage = new MemoryStorage()
  await begun(server, storage, fileOf(2500, { name: 'a:b.mp4', lastModified: 5 }))
  assert.equal(storage.key(0), `upload-session:${server.endpoint}:a:b.mp4:2500:5`)
  assert.match(storage.getItem(storage.key(0)), new RegExp([...server.sessions.keys()][0]))
  const { result } = await finished(server, fileOf(2500, { name: 'a:b.mp4', lastModified: 5 }), { storage })
  assert.equal(result.how, 'resumed')
  assert.equal(storage.length, 0)
})

test('after a reload the same file goes on from the confirmed offset', async () => {
  const server = await moody()
  const storage = new MemoryStorage()
  await begun(server, storage)
  server.bytesReceived = 0
  const { result, resumed, progress } = await finished(server, fileOf(2500), { storage })
  assert.equal(result.file.fingerprint, sha256(bytesOf(2500)))
  assert.equal(server.bytesReceived, 1500, 'nothing confirmed is sent again')
  assert.deepEqual(resumed, [1000])
  assert.equal(progress[0], 1000)
  assert.equal(server.count('POST /upload/init'), 1)
})

for (const [what, other] of [
  ['another name', { name: 'other.mp4' }],
  ['another time', { lastModified: 1 }],
  ['the same name, size and time, and other bytes', { seed: 2 }],
]) {
  test(`a file with ${what} starts anew`, async () => {
    const server = await moody()
    const storage = new MemoryStorage()
    await begun(server, storage)
    const { result } = await finished(server, fileOf(2500, other), { storage })
    assert.equal(result.how, 'sent')
    assert.equal(result.file.fingerprint, sha256(bytesOf(2500, other.seed ?? 1)))
    assert.equal(server.count('POST /upload/init'), 2)
  })
}

test('a file that differs only in its middle or its end is another file', async () => {
  for (const place of [150_000, 299_999]) {
    const server = await moody({ chunkSize: 100_000 })
    const storage = new MemoryStorage()
    await begun(server, storage, fileOf(300_000))
    const bytes = bytesOf(300_000)
    bytes[place] ^= 1
    const file = new File([bytes], 'holiday.mp4', { lastModified: 1700000000000 })
    const { result } = await finished(server, file, { storage })
    assert.equal(result.file.fingerprint, sha256(bytes))
  }
})

test('two files with one key, at the same time, get a session each', async () => {
  const server = await moody()
  const storage = new MemoryStorage()
  const [one, other] = await Promise.all([
    finished(server, fileOf(2500, { seed: 1 }), { storage }),
    finished(server, fileOf(2500, { seed: 2 }), { storage }),
  ])
  assert.equal(one.result.file.fingerprint, sha256(bytesOf(2500, 1)))
  assert.equal(other.result.file.fingerprint, sha256(bytesOf(2500, 2)))
})

test('the same file twice, at the same time: neither sends into, nor forgets, the session of the other', async () => {
  const server = await moody()
  const storage = new MemoryStorage()
  server.next('PUT', (_request, _response, serve) => serve(), hang)
  const first = watched(server, fileOf(2500), { storage })
  first.upload.start()
  await until(() => server.count('PUT') === 2)
  const second = await finished(server, fileOf(2500), { storage })
  assert.equal(second.result.how, 'sent')
  assert.equal(second.result.bytesSent, 2500)
  assert.match(storage.getItem(storage.key(0)), new RegExp(first.upload.sessionId))
  await first.upload.abort({ cancel: true })
})

test('a session that the server has lost meanwhile: start anew', async () => {
  const server = await moody()
  const storage = new MemoryStorage()
  await begun(server, storage)
  server.sessions.clear()
  const { result } = await finished(server, fileOf(2500), { storage })
  assert.equal(result.file.fingerprint, sha256(bytesOf(2500)))
  assert.equal(result.how, 'sent')
})

test('an upload that the server has finished meanwhile costs no byte', async () => {
  const server = await moody()
  const storage = new MemoryStorage()
  server.next('POST /upload/<id>/complete', loseAnswer)
  await finished(server, fileOf(500), { storage, retryDelays: null })
  server.bytesReceived = 0
  const { result } = await finished(server, fileOf(500), { storage })
  assert.equal(result.file.fingerprint, sha256(bytesOf(500)))
  assert.equal(server.bytesReceived, 0)
})

test('resume: false begins at the first byte', async () => {
  const server = await moody()
  const storage = new MemoryStorage()
  await begun(server, storage)
  const { result } = await finished(server, fileOf(2500), { storage, resume: false })
  assert.equal(result.how, 'sent')
})

test('without a storage, or with one that is full, an upload still pauses and resumes', async () => {
  const full = new MemoryStorage()
  full.setItem = () => {
    throw new DOMException('full', 'QuotaExceededError')
  }
  const forbidden = new Proxy({}, { get: () => () => assert.fail('SecurityError') })
  for (const storage of [null, full, forbidden]) {
    const server = await moody()
    server.next('PUT', (_request, _response, serve) => serve(), hang)
    const { upload, over } = watched(server, fileOf(2500), { storage })
    upload.start()
    await until(() => server.count('PUT') === 2)
    assert.equal(upload.remembered, false)
    upload.pause()
    upload.resume()
    const { result } = await over
    assert.equal(result.how, 'resumed')
  }
})

test('what others left in the storage disturbs nobody', async () => {
  const server = await moody()
  const storage = new MemoryStorage()
  const key = `upload-session:${server.endpoint}:holiday.mp4:2500:1700000000000`
  for (const litter of ['', '{', 'null', '[]', '"a-plain-id"', '{"sessionId": 5}']) {
    storage.setItem(key, litter)
    assert.deepEqual(listUnfinished(server.endpoint, { storage }), [])
    const { result } = await finished(server, fileOf(2500), { storage })
    assert.equal(result.file.fingerprint, sha256(bytesOf(2500)))
  }
})

test('the list: what was begun here, as the server confirms it', async () => {
  const server = await moody()
  const storage = new MemoryStorage()
  storage.setItem('theme', 'dark')
  // An endpoint that begins like ours, as a second server on another path would have it.
  const other = { sessionId: 's', fileName: 'x', fileSize: 1, lastModified: 1, uploadedBytes: 0, storedAt: 1 }
  storage.setItem(`upload-session:${server.endpoint}:second:x:1:1`, JSON.stringify(other))
  await begun(server, storage)
  await begun(server, storage, fileOf(4000, { name: 'second.bin' }))
  const listed = listUnfinished(server.endpoint, { storage })
  assert.deepEqual(new Set(listed.map(({ fileName }) => fileName)), new Set(['holiday.mp4', 'second.bin']))
  for (const session of server.sessions.values()) session.bytes = Buffer.alloc(2000)
  const found = await findUnfinished(server.endpoint, { storage })
  assert.deepEqual(
    found.map(({ fileSize, uploadedBytes, state }) => [fileSize, uploadedBytes, state]).sort(),
    [
      [2500, 2000, 'uploading'],
      [4000, 2000, 'uploading'],
    ],
  )
})

test('the list leaves out what the server does not know, and forgets it', async () => {
  const server = await moody()
  const storage = new MemoryStorage()
  await begun(server, storage)
  server.sessions.clear()
  assert.deepEqual(await findUnfinished(server.endpoint, { storage }), [])
  assert.equal(storage.length, 0)
})

test('the list keeps what the server could not be asked about', async () => {
  const server = await moody()
  const storage = new MemoryStorage()
  await begun(server, storage)
  server.next('GET', breakInside)
  const [offline] = await findUnfinished(server.endpoint, { storage })
  assert.deepEqual([offline.state, offline.uploadedBytes], ['unknown', 1000])
  server.next('GET /upload/<id>', answer(503))
  const [away] = await findUnfinished(server.endpoint, { storage })
  assert.deepEqual([away.state, away.uploadedBytes], ['unknown', 1000])
  assert.equal(storage.length, 1)
})

test('the list leaves out what this page is uploading', async () => {
  const server = await moody()
  const storage = new MemoryStorage()
  server.next('PUT', hang)
  const { upload } = watched(server, fileOf(2500), { storage })
  upload.start()
  await until(() => server.count('PUT') === 1)
  assert.equal(storage.length, 1)
  assert.deepEqual(listUnfinished(server.endpoint, { storage }), [])
  await upload.abort({ cancel: true })
})

test('discard: gone at the server and here', async () => {
  const server = await moody()
  const storage = new MemoryStorage()
  await begun(server, storage)
  const [entry] = await findUnfinished(server.endpoint, { storage })
  assert.equal(await discardUnfinished(entry, { endpoint: server.endpoint, storage }), true)
  assert.equal(server.sessions.size, 0)
  assert.equal(storage.length, 0)
})

test('discard without a server: forgotten, and not claimed to be gone', async () => {
  const server = await moody()
  const storage = new MemoryStorage()
  await begun(server, storage)
  const [entry] = listUnfinished(server.endpoint, { storage })
  server.next('GET', breakInside)
  assert.equal(await discardUnfinished(entry, { endpoint: server.endpoint, storage }), false)
  assert.equal(storage.length, 0)
})
