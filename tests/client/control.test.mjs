/** Pause, resume, cancel, offline, silence: what a person and a network do to an upload. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { answer, breakInside, hang } from './moody.mjs'
import { bytesOf, fileOf, finished, moody, sha256, until, watched } from './stage.mjs'

const WHOLE = sha256(bytesOf(2500))
const good = (_request, _response, serve) => serve()

test('pause gives the chunk on its way up; resume asks for the offset', async () => {
  const server = await moody()
  server.next('PUT', good, hang)
  const { upload, states, over, resumed, errors } = watched(server, fileOf(2500))
  upload.start()
  await until(() => server.count('PUT') === 2)
  upload.pause()
  assert.equal(upload.state, 'paused')
  assert.equal(upload.confirmed, 1000)
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(server.requests.length, 4, 'nothing happens while paused')
  assert.deepEqual(errors, [])
  upload.resume()
  const { result } = await over
  assert.equal(result.file.fingerprint, WHOLE)
  assert.equal(result.how, 'resumed')
  assert.deepEqual(resumed, [1000])
  assert.deepEqual(states, ['uploading', 'paused', 'uploading', 'finishing', 'done'])
})

test('pause while the session is being opened: it is kept, and used', async () => {
  const server = await moody()
  let letGo
  server.next('POST /upload/init', (_request, _response, serve) => (letGo = serve))
  const { upload, over } = watched(server, fileOf(2500))
  upload.start()
  await until(() => letGo)
  upload.pause()
  letGo()
  await until(() => upload.sessionId)
  upload.resume()
  const { result } = await over
  assert.equal(result.file.fingerprint, WHOLE)
  assert.equal(server.count('POST /upload/init'), 1)
})

test('pause and resume, faster than anything can answer', async () => {
  const server = await moody()
  const { upload, over } = watched(server, fileOf(2500))
  upload.start()
  for (let turn = 0; turn < 20; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, turn % 4))
    upload.pause()
    upload.resume()
  }
  const { result } = await over
  assert.equal(result.file.fingerprint, WHOLE)
  assert.equal(server.count('POST /upload/init'), 1)
})

test('abort without cancel is pause', async () => {
  const server = await moody()
  server.next('PUT', hang)
  const { upload } = watched(server, fileOf(2500))
  upload.start()
  await until(() => server.count('PUT') === 1)
  assert.equal(await upload.abort(), true)
  assert.equal(upload.state, 'paused')
  assert.equal(server.sessions.size, 1)
})

test('cancel: gone at the server, forgotten here, and no event of an error', async () => {
  const server = await moody()
  server.next('PUT', good, hang)
  const { upload, states, errors } = watched(server, fileOf(2500))
  upload.start()
  await until(() => server.count('PUT') === 2)
  assert.equal(await upload.abort({ cancel: true }), true)
  assert.equal(server.sessions.size, 0)
  assert.equal(upload.world.storage.length, 0)
  assert.equal(upload.sessionId, null)
  assert.deepEqual(states, ['uploading', 'cancelled'])
  assert.deepEqual(errors, [])
})

test('cancel while the session is being opened: it is removed once it has a name', async () => {
  const server = await moody()
  let letGo
  server.next('POST /upload/init', (_request, _response, serve) => (letGo = serve))
  const { upload } = watched(server, fileOf(2500))
  upload.start()
  await until(() => letGo)
  const cancelled = upload.abort({ cancel: true })
  assert.equal(upload.state, 'cancelled')
  letGo()
  assert.equal(await cancelled, true)
  assert.equal(server.sessions.size, 0)
  assert.equal(server.count('DELETE'), 1)
})

test('cancel before the start, when paused, and twice', async () => {
  const server = await moody()
  const { upload } = watched(server, fileOf(2500))
  assert.equal(await upload.abort({ cancel: true }), true)
  assert.equal(upload.state, 'cancelled')
  server.next('PUT', hang)
  upload.start()
  await until(() => server.count('PUT') === 1)
  upload.pause()
  await Promise.all([upload.abort({ cancel: true }), upload.abort({ cancel: true })])
  assert.equal(upload.state, 'cancelled')
  assert.equal(server.sessions.size, 0)
})

test('cancel of what the server has forgotten already is done', async () => {
  const server = await moody()
  server.next('PUT', hang)
  const { upload } = watched(server, fileOf(2500))
  upload.start()
  await until(() => server.count('PUT') === 1)
  upload.pause()
  server.sessions.clear()
  assert.equal(await upload.abort({ cancel: true }), true)
})

test('start after cancel begins a new upload, and says so', async () => {
  const server = await moody()
  server.next('PUT', (_request, _response, serve) => serve(), answer(500), hang)
  const { upload, over, resumed } = watched(server, fileOf(2500))
  upload.start()
  await until(() => server.count('PUT') === 3)
  assert.deepEqual(resumed, [1000])
  await upload.abort({ cancel: true })
  upload.start()
  const { result } = await over
  assert.equal(result.how, 'sent')
  assert.equal(server.count('POST /upload/init'), 2)
})

test('cancel that the server does not hear: false, and forgotten all the same', async () => {
  const server = await moody()
  server.next('PUT', hang)
  const { upload } = watched(server, fileOf(2500))
  upload.start()
  await until(() => server.count('PUT') === 1)
  server.next('GET /upload/<id>', ...Array(5).fill(breakInside))
  assert.equal(await upload.abort({ cancel: true }), false)
  assert.equal(upload.state, 'cancelled')
  assert.equal(upload.world.storage.length, 0)
})

test('cancel while the server finalizes is too late: it says so, and the upload goes on', async () => {
  const server = await moody({ polls: Infinity })
  const { upload, over, states } = watched(server, fileOf(500))
  upload.start()
  await until(() => upload.state === 'finishing' && server.count('GET /upload/<id>') > 0)
  await assert.rejects(upload.abort({ cancel: true }), { kind: 'refused', code: 'wrong-state' })
  assert.equal(upload.state, 'finishing')
  server.polls = 0
  const { result } = await over
  assert.equal(result.file.fileSize, 500)
  assert.deepEqual(states, ['uploading', 'finishing', 'done'])
})

test('cancel that overtakes complete: the upload that finds itself gone does not start anew', async () => {
  const server = await moody()
  let complete, deleted
  server.next('POST /upload/<id>/complete', (_request, _response, serve) => (complete = serve))
  server.next('DELETE', (_request, response, serve) => {
    const end = response.end.bind(response)
    response.end = () => (deleted = end)
    serve()
  })
  const { upload, states, errors } = watched(server, fileOf(500))
  upload.start()
  await until(() => complete)
  const cancelled = upload.abort({ cancel: true })
  await until(() => deleted)
  complete()
  await new Promise((resolve) => setTimeout(resolve, 50))
  deleted()
  assert.equal(await cancelled, true)
  assert.deepEqual(states, ['uploading', 'finishing', 'cancelled'])
  assert.deepEqual(errors, [])
  assert.equal(server.count('POST /upload/init'), 1)
})

test('cancel while the last answer arrives: what is done is done', async () => {
  const server = await moody({ polls: Infinity })
  let letGo
  server.next('DELETE', (_request, _response, serve) => (letGo = serve))
  const { upload, over } = watched(server, fileOf(500))
  upload.start()
  await until(() => server.count('GET /upload/<id>') > 0)
  const refused = assert.rejects(upload.abort({ cancel: true }), { code: 'wrong-state' })
  await until(() => letGo)
  server.polls = 0
  await over
  letGo() // 204: the session is forgotten, the file stays
  await refused
  assert.equal(upload.state, 'done')
  assert.equal(server.count('POST /upload/init'), 1)
})

test('start while the cancellation is under way waits for it, and begins anew', async () => {
  const server = await moody()
  server.next('PUT', (_request, _response, serve) => serve(), hang)
  let deleted
  server.next('DELETE', (_request, _response, serve) => (deleted = serve))
  const { upload, over } = watched(server, fileOf(2500))
  upload.start()
  await until(() => server.count('PUT') === 2)
  const cancelled = upload.abort({ cancel: true })
  await until(() => deleted)
  upload.start()
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.equal(server.count('POST /upload/init'), 1)
  deleted()
  assert.equal(await cancelled, true)
  const { result } = await over
  assert.equal(result.how, 'sent')
  assert.equal(result.file.fingerprint, WHOLE)
  assert.equal(server.sessions.size, 1)
})

test('cancel after the file is complete does not pretend: paused meanwhile, it is seen through', async () => {
  const server = await moody()
  server.next('POST /upload/<id>/complete', (request, response, serve) => {
    response.end = () => {} // completed, and the answer hangs
    serve()
  })
  const { upload, over } = watched(server, fileOf(500))
  upload.start()
  await until(() => server.files.length === 1)
  upload.pause()
  await assert.rejects(upload.abort({ cancel: true }), { code: 'wrong-state' })
  const { result } = await over
  assert.equal(result.file.fileSize, 500)
})

test('offline is waited for as long as it takes, and counts as no failure', async () => {
  const server = await moody()
  server.next('PUT', good, ...Array(5).fill(breakInside))
  let online = true
  let waits = 0
  const { result, states, sleeps } = await finished(server, fileOf(2500), {
    onChunkComplete: () => {
      online = waits >= 5
    },
    isOnline: () => online,
    whenOnline: async () => {
      waits += 1
      online = waits >= 5
    },
  })
  assert.equal(result.file.fingerprint, WHOLE)
  assert.ok(waits >= 5)
  assert.deepEqual(sleeps, [])
  assert.deepEqual(states.slice(0, 3), ['uploading', 'offline', 'uploading'])
})

test('a browser that wrongly says "offline" does not keep a reachable server waiting', async () => {
  const server = await moody()
  const { result, states } = await finished(server, fileOf(2500), {
    isOnline: () => false,
    whenOnline: () => new Promise(() => {}),
  })
  assert.equal(result.file.fingerprint, WHOLE)
  assert.ok(!states.includes('offline'))
})

test('pause ends the wait for a network; resume in it tries at once', async () => {
  const server = await moody()
  server.next('PUT', breakInside, breakInside)
  const forever = (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  const { upload, over, states } = watched(server, fileOf(2500), { isOnline: () => false, whenOnline: forever })
  upload.start()
  await until(() => upload.state === 'offline')
  upload.pause()
  upload.resume()
  await until(() => states.filter((state) => state === 'offline').length === 2)
  upload.resume()
  const { result } = await over
  assert.equal(result.file.fingerprint, WHOLE)
})

test('resume while it waits to retry: now, not later', async () => {
  const server = await moody()
  server.next('PUT', answer(503, {}, { 'Retry-After': '100' }))
  const forever = (_, signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  const { upload, over } = watched(server, fileOf(2500), { sleep: forever })
  upload.start()
  await until(() => upload.state === 'retrying')
  assert.equal(upload.retryIn, 100_000)
  upload.resume()
  const { result } = await over
  assert.equal(result.file.fingerprint, WHOLE)
  assert.equal(upload.retryIn, null)
})

test('a connection that goes silent is given up and tried again', async () => {
  const server = await moody()
  server.next('PUT', hang)
  const { result, sleeps } = await finished(server, fileOf(500), { stallTimeout: 300 })
  assert.equal(result.file.fileSize, 500)
  assert.deepEqual(sleeps, [1000])
})
