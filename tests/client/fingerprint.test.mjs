/** Hash before, beside or not at all; what a fingerprint saves, and what the lack of one costs. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { NoFingerprint, UploadError } from '../../shared/client/errors.js'
import { HASH_FIRST_UP_TO, whenToHash } from '../../shared/client/fingerprint.js'
import { MEMORY_BOUND, hashFile } from '../../shared/client/hashing.js'
import { answer, hang } from './moody.mjs'
import { bytesOf, fileOf, finished, moody, sha256, until, watched } from './stage.mjs'

const WHOLE = sha256(bytesOf(2500))

/** A hasher whose end the test decides. */
function heldHasher() {
  const held = { calls: 0, log: [] }
  held.hasher = () => {
    held.calls += 1
    return {
      result: new Promise((resolve, reject) => Object.assign(held, { resolve, reject })),
      pause: () => held.log.push('pause'),
      resume: () => held.log.push('resume'),
      cancel: () => held.log.push('cancel'),
    }
  }
  return held
}

test('before: a file that the server has is recognised, and nothing is sent', async () => {
  const server = await moody()
  const file = server.addFile('earlier.mp4', bytesOf(2500))
  const { result, states, fingerprint } = await finished(server, fileOf(2500), { fingerprint: 'before' })
  assert.deepEqual(result, { file, how: 'already-there', duplicate: true, bytesSent: 0 })
  assert.deepEqual(states, ['hashing', 'duplicate'])
  assert.deepEqual(fingerprint, { value: WHOLE, reason: '' })
  assert.equal(server.count('POST /upload/init'), 0)
})

test('before: a file that it does not have is sent with its fingerprint', async () => {
  const server = await moody()
  const { result, states } = await finished(server, fileOf(2500), { fingerprint: 'before' })
  assert.equal(result.how, 'sent')
  assert.deepEqual(states, ['hashing', 'uploading', 'finishing', 'done'])
  assert.equal([...server.sessions.values()][0].fingerprint, WHOLE)
})

test('off: a duplicate is recognised by the server, after all bytes', async () => {
  const server = await moody()
  server.addFile('earlier.mp4', bytesOf(2500))
  const { result, upload } = await finished(server, fileOf(2500))
  assert.equal(result.how, 'sent')
  assert.equal(result.duplicate, true)
  assert.equal(upload.state, 'duplicate')
})

test('beside: recognised while it is sent, the rest is not sent and the session is removed', async () => {
  const server = await moody()
  server.addFile('earlier.mp4', bytesOf(2500))
  server.next('PUT', (_request, _response, serve) => serve(), hang)
  const held = heldHasher()
  const { upload, over } = watched(server, fileOf(2500), { fingerprint: 'beside', hasher: held.hasher })
  upload.start()
  await until(() => server.count('PUT') === 2)
  held.resolve(WHOLE)
  const { result } = await over
  assert.equal(result.how, 'already-there')
  assert.equal(upload.state, 'duplicate')
  assert.equal(server.sessions.size, 0)
  assert.equal(upload.world.storage.length, 0)
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(server.count('PUT'), 2)
  assert.equal(upload.state, 'duplicate')
})

test('beside: unknown to the server, the upload goes on and complete carries the fingerprint', async () => {
  const server = await moody()
  let letGo
  server.next('PUT', (_request, _response, serve) => (letGo = serve))
  const { upload, over } = watched(server, fileOf(2500), { fingerprint: 'beside' })
  upload.start()
  await until(() => letGo && server.count('POST /upload/preflight') === 1)
  letGo()
  const { result } = await over
  assert.equal(result.how, 'sent')
  assert.equal([...server.sessions.values()][0].claim, WHOLE)
})

test('beside: a hash that ends while the upload completes does not take its own file for another one', async () => {
  const server = await moody()
  const held = heldHasher()
  let letGo
  server.next('POST /upload/<id>/complete', (_request, response, serve) => {
    const end = response.end.bind(response)
    response.end = (text) => (letGo = () => end(text)) // the file is there, the answer is under way
    serve()
  })
  const { upload, over } = watched(server, fileOf(2500), { fingerprint: 'beside', hasher: held.hasher })
  upload.start()
  await until(() => letGo)
  held.resolve(WHOLE)
  await until(() => server.count('POST /upload/preflight') === 1)
  await new Promise((resolve) => setTimeout(resolve, 50))
  letGo()
  const { result } = await over
  assert.equal(result.how, 'sent')
  assert.equal(upload.state, 'done')
})

test('beside: a hash that is slower than the network is not waited for', async () => {
  const server = await moody()
  const held = heldHasher()
  const { result } = await finished(server, fileOf(2500), { fingerprint: 'beside', hasher: held.hasher })
  assert.equal(result.how, 'sent')
  assert.deepEqual(held.log.at(-1), 'cancel')
})

test('a preflight that fails is tried again; one that is refused is done without', async () => {
  const server = await moody()
  server.next('POST /upload/preflight', answer(500), answer(404))
  const { result, sleeps } = await finished(server, fileOf(2500), { fingerprint: 'before' })
  assert.equal(result.how, 'sent')
  assert.deepEqual(sleeps, [1000])
})

test('no fingerprint: the reason is told, and the upload goes on', async () => {
  const server = await moody()
  const held = heldHasher()
  const { upload, over, ...seen } = watched(server, fileOf(2500), { fingerprint: 'before', hasher: held.hasher })
  upload.start()
  await until(() => held.reject)
  held.reject(new NoFingerprint('The reason.'))
  assert.equal((await over).result.how, 'sent')
  assert.equal(server.count('POST /upload/preflight'), 0)
  assert.equal([...server.sessions.values()][0].fingerprint, undefined)
  assert.ok(seen.states.includes('uploading'))
})

test('a hasher that breaks costs the fingerprint, not the upload', async () => {
  const server = await moody()
  const hasher = () => ({ result: Promise.reject(new Error('oops')), pause() {}, resume() {}, cancel() {} })
  const seen = await finished(server, fileOf(2500), { fingerprint: 'before', hasher })
  assert.equal(seen.result.how, 'sent')
})

test('a file that cannot be read while it is hashed: stop', async () => {
  const server = await moody()
  const hasher = () => ({
    result: Promise.reject(new UploadError('unreadable', 'Gone.')),
    pause() {},
    resume() {},
    cancel() {},
  })
  const { error } = await finished(server, fileOf(2500), { fingerprint: 'before', hasher })
  assert.equal(error.kind, 'unreadable')
  assert.match(error.hint, /Choose the file again from local storage/)
})

test('pause and resume while hashing: the work is kept', async () => {
  const server = await moody()
  const held = heldHasher()
  const { upload, over, states } = watched(server, fileOf(2500), { fingerprint: 'before', hasher: held.hasher })
  upload.start()
  await until(() => held.resolve)
  upload.pause()
  upload.resume()
  held.resolve(WHOLE)
  await over
  assert.equal(held.calls, 1)
  assert.deepEqual(held.log.slice(0, 2), ['pause', 'resume'])
  assert.deepEqual(states.slice(0, 4), ['hashing', 'paused', 'hashing', 'uploading'])
})

test('cancel while hashing ends the work', async () => {
  const server = await moody()
  const held = heldHasher()
  const { upload, states } = watched(server, fileOf(2500), { fingerprint: 'before', hasher: held.hasher })
  upload.start()
  await until(() => held.resolve)
  assert.equal(await upload.abort({ cancel: true }), true)
  assert.ok(held.log.includes('cancel'))
  assert.deepEqual(states, ['hashing', 'cancelled'])
  assert.equal(server.count('POST'), 0)
})

test('a file of which the server stored other bytes is not called done', async () => {
  const server = await moody()
  server.next('POST /upload/<id>/complete', (_request, _response, serve) => {
    const [session] = server.sessions.values()
    session.bytes = Buffer.from(session.bytes).fill(7)
    serve()
  })
  const { error, upload } = await finished(server, fileOf(2500), { fingerprint: 'before' })
  assert.equal(error.kind, 'mismatch')
  assert.equal(upload.state, 'failed')
  assert.equal(error.resumable, false)
})

for (const when of ['before', 'beside']) {
  test(`${when}: what was begun by an earlier page is not hashed again`, async () => {
    const server = await moody()
    server.next('PUT', (_request, _response, serve) => serve(), answer(400))
    const first = await finished(server, fileOf(2500), { fingerprint: 'before' })
    const { storage } = first.upload.world
    const held = heldHasher()
    const { result } = await finished(server, fileOf(2500), { fingerprint: when, hasher: held.hasher, storage })
    assert.equal(result.how, 'resumed')
    assert.equal(held.calls, 0)
  })
}

test('auto: small files first, large ones beside, none for an empty one', () => {
  assert.equal(whenToHash('auto', HASH_FIRST_UP_TO), 'before')
  assert.equal(whenToHash('auto', HASH_FIRST_UP_TO + 1), 'beside')
  assert.equal(whenToHash('auto', 0), 'off')
  assert.equal(whenToHash('off', 5), 'off')
})

test('without a worker the browser hashes in memory, up to a bound, and says why not above it', async () => {
  assert.equal(await hashFile(fileOf(2500), () => {}).result, WHOLE)
  const large = { size: MEMORY_BOUND + 1 }
  await assert.rejects(hashFile(large, () => {}).result, (error) => {
    assert.ok(error instanceof NoFingerprint)
    assert.match(error.message, /up to \d+ MiB/)
    return true
  })
})
