/** The ordinary way: chunks, completion, what is told on the way. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Upload, getCapabilities } from '../../shared/client/uploader.js'
import { bytesOf, fileOf, finished, moody, sha256, until } from './stage.mjs'

test('a file arrives in equal chunks and comes out identical', async () => {
  const server = await moody()
  const { result, states, progress, chunks, upload } = await finished(server, fileOf(2500))
  assert.equal(result.file.fingerprint, sha256(bytesOf(2500)))
  assert.deepEqual(
    { how: result.how, duplicate: result.duplicate, bytesSent: result.bytesSent },
    { how: 'sent', duplicate: false, bytesSent: 2500 },
  )
  assert.deepEqual(states, ['uploading', 'finishing', 'done'])
  assert.deepEqual(progress, [1000, 2000, 2500, 2500])
  assert.deepEqual(chunks, [
    [1000, 1000, 2500],
    [1000, 2000, 2500],
    [500, 2500, 2500],
  ])
  assert.equal(upload.secondsLeft, 0)
  assert.ok(upload.speed > 0)
})

for (const size of [0, 1, 999, 1000, 1001, 2000]) {
  test(`a file of ${size} bytes arrives`, async () => {
    const server = await moody()
    const { result } = await finished(server, fileOf(size))
    assert.equal(result.file.fingerprint, sha256(bytesOf(size)))
    assert.equal(server.count('PUT'), Math.ceil(size / 1000))
  })
}

test('the server decides about the chunk size; the wish is told to it', async () => {
  const server = await moody({ chunkSize: 700 })
  await finished(server, fileOf(1400), { chunkSize: 900 })
  assert.equal([...server.sessions.values()][0].chunkSize, 700)
  assert.equal(server.count('PUT'), 2)
})

test('name and type can be given, as for a Blob that has none', async () => {
  const server = await moody()
  await finished(server, new Blob(['hello']), { fileName: 'note.txt', mimeType: 'text/plain' })
  const [session] = server.sessions.values()
  assert.equal(session.fileName, 'note.txt')
  assert.equal(session.mimeType, 'text/plain')
})

test('headers go with every request, and may be made anew for each', async () => {
  const server = await moody()
  let made = 0
  await finished(server, fileOf(1500), { headers: () => ({ 'x-made': String((made += 1)) }) })
  assert.deepEqual(
    server.headers.map((headers) => headers['x-made']),
    server.headers.map((_, index) => String(index + 1)),
  )
})

test('a chunk carries the digest of its bytes when asked to', async () => {
  const server = await moody()
  await finished(server, fileOf(1500), { digest: true })
  const digests = server.headers.map((headers) => headers['content-digest']).filter(Boolean)
  const base64 = (bytes) => Buffer.from(sha256(bytes), 'hex').toString('base64')
  const file = bytesOf(1500)
  assert.deepEqual(digests, [
    `sha-256=:${base64(file.slice(0, 1000))}:`,
    `sha-256=:${base64(file.slice(1000))}:`,
  ])
})

test('while the server finalizes, it is asked at the pace it wants', async () => {
  const server = await moody({ polls: 3 })
  const { result, states, sleeps } = await finished(server, fileOf(1500))
  assert.equal(result.file.fingerprint, sha256(bytesOf(1500)))
  assert.deepEqual(states, ['uploading', 'finishing', 'done'])
  assert.deepEqual(sleeps.slice(0, 1), [2000])
  assert.equal(server.count('GET /upload/<id>'), 3)
})

test('finalization that never ends is told, and nothing is sent again on retry', async () => {
  const server = await moody({ polls: Infinity })
  let now = 0
  const options = { clock: () => (now += 60_000) }
  const { error, upload } = await finished(server, fileOf(500), options)
  assert.equal(error.kind, 'finishing')
  assert.ok(error.resumable)
  server.polls = 0
  upload.start()
  await until(() => upload.state === 'done')
  assert.equal(server.count('PUT'), 1)
})

test('too large is told before anything is sent', async () => {
  const server = await moody({ maxFileSize: 2048 })
  const { error, states } = await finished(server, fileOf(3072))
  assert.equal(error.kind, 'refused')
  assert.equal(error.code, 'file-too-large')
  assert.equal(error.message, 'The file has 3 KiB; this server takes at most 2 KiB.')
  assert.equal(error.resumable, false)
  assert.deepEqual(states, ['failed'])
  assert.deepEqual(server.requests, ['GET /upload'])
})

test('capabilities that were asked for already are not asked for again', async () => {
  const server = await moody()
  const capabilities = await getCapabilities(server.endpoint)
  assert.equal(capabilities.links.files, server.endpoint.replace('/upload', '/files'))
  await finished(server, fileOf(10), { capabilities })
  assert.equal(server.requests.filter((line) => line === 'GET /upload').length, 1)
})

test("a page's own mistake in an event does not stop the file", async (t) => {
  const reported = []
  globalThis.reportError = (error) => reported.push(error.message)
  t.after(() => delete globalThis.reportError)
  const server = await moody()
  const { result } = await finished(server, fileOf(500), {
    onProgress: () => {
      throw new Error('a mistake')
    },
  })
  assert.equal(result.file.fileSize, 500)
  assert.deepEqual(new Set(reported), new Set(['a mistake']))
})

test('an option without a meaning is refused at once', async () => {
  const server = await moody()
  for (const wrong of [{ chunkSize: -1 }, { fingerprint: 'yes' }, { retryDelays: [-1] }, { stallTimeout: 0 }, { endpoint: '' }]) {
    assert.throws(() => new Upload(fileOf(1), { endpoint: server.endpoint, ...wrong }), { kind: 'usage' }, JSON.stringify(wrong))
  }
})
