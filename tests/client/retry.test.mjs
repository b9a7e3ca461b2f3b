/** When to try again, when to ask, when to stop (PROTOCOL.md, "Client rules"). */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { answer, breakInside, loseAnswer } from './moody.mjs'
import { bytesOf, fileOf, finished, moody, sha256, until } from './stage.mjs'

const WHOLE = sha256(bytesOf(2500))

for (const [what, mishap] of [
  ['a broken connection', breakInside],
  ['500', answer(500)],
  ['503', answer(503)],
  ['408', answer(408)],
  ['429', answer(429)],
  ["a proxy's page instead of an answer", answer(200, '<html>Sign in to the hotel</html>')],
  ['an offset that cannot be', answer(200, { uploadedBytes: 99999 })],
]) {
  test(`after ${what}: wait 1 s, ask, go on from there`, async () => {
    const server = await moody()
    server.next('PUT', (_request, _response, serve) => serve(), mishap)
    const { result, sleeps, resumed, states } = await finished(server, fileOf(2500))
    assert.equal(result.file.fingerprint, WHOLE)
    assert.equal(result.how, 'resumed')
    assert.deepEqual(sleeps, [1000])
    assert.deepEqual(resumed, [1000])
    assert.deepEqual(states, ['uploading', 'retrying', 'uploading', 'finishing', 'done'])
    assert.equal(server.count('GET /upload/<id>'), 1)
    assert.equal(result.bytesSent, 3500)
  })
}

test('the second wait is 3 s, and the third failure in a row is the last', async () => {
  const server = await moody()
  server.next('PUT', (_request, _response, serve) => serve())
  server.next('PUT', answer(500), answer(500), answer(500))
  const { error, sleeps, upload, states } = await finished(server, fileOf(2500))
  assert.deepEqual(sleeps, [1000, 3000])
  assert.equal(error.kind, 'server')
  assert.match(error.message, / Three tries failed\.$/)
  assert.ok(error.hint)
  assert.ok(error.resumable)
  assert.ok(upload.remembered)
  assert.equal(states.at(-1), 'failed')

  const sentBefore = server.count('PUT')
  upload.start()
  await until(() => upload.state === 'done')
  assert.equal(server.count('PUT') - sentBefore, 2, 'what was confirmed is not sent again')
})

test('progress resets the count', async () => {
  const server = await moody()
  const good = (_request, _response, serve) => serve()
  server.next('PUT', answer(500), answer(500), good, answer(500), answer(500), good, answer(500), answer(500))
  const { result, sleeps } = await finished(server, fileOf(2500))
  assert.equal(result.file.fingerprint, WHOLE)
  assert.deepEqual(sleeps, [1000, 3000, 1000, 3000, 1000, 3000])
})

test('asking for the offset fails too: all failures count together', async () => {
  const server = await moody()
  server.next('PUT', breakInside)
  server.next('GET /upload/<id>', breakInside, breakInside, breakInside)
  const { error } = await finished(server, fileOf(2500))
  assert.equal(error.kind, 'network')
  assert.equal(server.count('GET /upload/<id>'), 2)
})

test('waits are stretched and shortened by up to a quarter', async () => {
  for (const [random, wait] of [
    [0, 750],
    [0.999999, 1250],
  ]) {
    const server = await moody()
    server.next('PUT', answer(500))
    const { sleeps } = await finished(server, fileOf(500), { random: () => random })
    assert.deepEqual(sleeps, [wait])
  }
})

test('Retry-After wins', async () => {
  const server = await moody()
  server.next('PUT', answer(503, {}, { 'Retry-After': '17' }))
  const { result, sleeps } = await finished(server, fileOf(500))
  assert.ok(result)
  assert.deepEqual(sleeps, [17_000])
})

test('a Retry-After of hours ends the attempt, and says so', async () => {
  const server = await moody()
  server.next('PUT', answer(503, {}, { 'Retry-After': '7200' }))
  const { error, sleeps } = await finished(server, fileOf(500))
  assert.deepEqual(sleeps, [])
  assert.match(error.message, /120 minutes/)
  assert.ok(error.resumable)
})

test('a lost answer costs one question and no byte', async () => {
  const server = await moody()
  server.next('PUT', loseAnswer)
  const { result } = await finished(server, fileOf(2500))
  assert.equal(result.file.fingerprint, WHOLE)
  assert.equal(server.bytesReceived, 2500)
})

test('a lost answer to complete is asked for again: one file', async () => {
  const server = await moody()
  server.next('POST /upload/<id>/complete', loseAnswer)
  const { result } = await finished(server, fileOf(2500))
  assert.equal(result.file.fingerprint, WHOLE)
  assert.equal(result.duplicate, false)
  assert.equal(server.files.length, 1)
})

test('409 adopts the offset, without a wait', async () => {
  const server = await moody()
  server.next('PUT', (_request, _response, serve, body) => {
    // Another tab was here: the server has this chunk already.
    const [session] = server.sessions.values()
    session.bytes = Buffer.concat([session.bytes, body])
    serve()
  })
  const { result, sleeps } = await finished(server, fileOf(2500))
  assert.equal(result.file.fingerprint, WHOLE)
  assert.deepEqual(sleeps, [])
  assert.equal(server.count('GET /upload/<id>'), 0)
})

test('409 that moves backwards is adopted as well', async () => {
  const server = await moody()
  const good = (_request, _response, serve) => serve()
  server.next('PUT', good, (_request, _response, serve) => {
    const [session] = server.sessions.values()
    session.bytes = session.bytes.subarray(0, 0)
    serve()
  })
  const { result, progress } = await finished(server, fileOf(2500))
  assert.equal(result.file.fingerprint, WHOLE)
  assert.deepEqual(progress, [1000, 0, 1000, 2000, 2500, 2500])
})

test('a server that never agrees is given up', async () => {
  const server = await moody()
  const disagree = answer(409, { code: 'offset-mismatch', detail: 'No.', uploadedBytes: 0 })
  server.next('PUT', ...Array(10).fill(disagree))
  const { error } = await finished(server, fileOf(2500))
  assert.equal(error.kind, 'network')
  assert.equal(server.count('PUT'), 3)
})

test('409 upload-incomplete at complete: what is missing is sent', async () => {
  const server = await moody()
  server.next('POST /upload/<id>/complete', (_request, _response, serve) => {
    const [session] = server.sessions.values()
    session.bytes = session.bytes.subarray(0, 2000)
    serve()
  })
  const { result } = await finished(server, fileOf(2500))
  assert.equal(result.file.fingerprint, WHOLE)
})

for (const status of [404, 410]) {
  test(`${status}: forget the session and start anew, once`, async () => {
    const server = await moody()
    const good = (_request, _response, serve) => serve()
    server.next('PUT', good, (_request, response) => {
      server.sessions.clear()
      answer(status)(_request, response)
    })
    const { result, progress } = await finished(server, fileOf(2500))
    assert.equal(result.file.fingerprint, WHOLE)
    assert.equal(server.count('POST /upload/init'), 2)
    assert.deepEqual(progress, [1000, 1000, 2000, 2500, 2500])
  })

  test(`${status} twice: lost, and not resumable`, async () => {
    const server = await moody()
    server.next('PUT', answer(status), answer(status), answer(status))
    const { error, upload } = await finished(server, fileOf(2500))
    assert.equal(error.kind, 'lost')
    assert.equal(error.resumable, false)
    assert.equal(upload.remembered, false)
    assert.equal(upload.sessionId, null)
    assert.equal(server.count('POST /upload/init'), 2)
  })
}

for (const status of [400, 403, 411, 413, 415]) {
  test(`${status}: stop, with the problem's text`, async () => {
    const server = await moody()
    server.next('PUT', answer(status, { status, code: 'a-code', title: 'T', detail: 'The words of the server.' }))
    const { error, sleeps, upload } = await finished(server, fileOf(2500))
    assert.equal(error.kind, 'refused')
    assert.equal(error.message, 'The words of the server.')
    assert.equal(error.code, 'a-code')
    assert.equal(error.status, status)
    assert.equal(error.problem.title, 'T')
    assert.deepEqual(sleeps, [])
    assert.equal(server.count('PUT'), 1)
    assert.ok(upload.remembered, 'the session is there, and may be gone on with')
  })
}

test('422 at complete: refused, and the session is forgotten: its bytes are gone', async () => {
  const server = await moody()
  server.next('POST /upload/<id>/complete', answer(422, { code: 'content-rejected', detail: 'This is no video.' }))
  const { error, upload } = await finished(server, fileOf(2500))
  assert.equal(error.message, 'This is no video.')
  assert.match(error.hint, /opens on your device/)
  assert.equal(error.resumable, false)
  assert.equal(upload.remembered, false)
})

test('a rejection found by asking is the same', async () => {
  const server = await moody({ polls: 2 })
  server.next('GET /upload/<id>', (_request, _response, serve) => {
    const [session] = server.sessions.values()
    Object.assign(session, { state: 'rejected', problem: { code: 'content-rejected', detail: 'This is no video.' } })
    serve()
  })
  const { error } = await finished(server, fileOf(500))
  assert.equal(error.message, 'This is no video.')
  assert.equal(error.status, 422)
  assert.equal(error.resumable, false)
})

for (const code of ['checksum-mismatch', 'incomplete-body']) {
  test(`${code}: damaged under way, so it is sent again`, async () => {
    const server = await moody()
    server.next('PUT', answer(400, { code, detail: 'Damaged.' }))
    const { result, sleeps } = await finished(server, fileOf(2500), { digest: true })
    assert.equal(result.file.fingerprint, WHOLE)
    assert.deepEqual(sleeps, [1000])
  })
}

test('retryDelays decide: none, or many', async () => {
  for (const [retryDelays, puts] of [
    [null, 1],
    [[], 1],
    [[5, 5, 5, 5], 5],
  ]) {
    const server = await moody()
    server.next('PUT', ...Array(9).fill(answer(500)))
    const { error } = await finished(server, fileOf(500), { retryDelays })
    assert.equal(error.kind, 'server')
    assert.equal(server.count('PUT'), puts)
  }
})

test('onShouldRetry overrides, and hears what tus-js-client tells', async () => {
  const server = await moody()
  server.next('PUT', answer(500), answer(403), answer(500))
  const asked = []
  const { error } = await finished(server, fileOf(500), {
    onShouldRetry: (failure, attempt, options) => {
      asked.push([failure.status, attempt, options.retryDelays])
      return asked.length < 3
    },
  })
  assert.deepEqual(asked, [
    [500, 0, [1000, 3000]],
    [403, 1, [1000, 3000]],
    [500, 2, [1000, 3000]],
  ])
  assert.equal(error.status, 500)
})

test('a status that contradicts itself is not believed: nothing is completed on its word', async () => {
  const server = await moody()
  server.next('PUT', answer(500))
  const odd = { sessionId: 's', state: 'uploading', uploadedBytes: 9999, fileSize: 2500, chunkSize: 1000 }
  server.next('GET /upload/<id>', answer(200, odd))
  const { result, progress } = await finished(server, fileOf(2500))
  assert.equal(result.file.fingerprint, WHOLE)
  assert.ok(!progress.includes(9999))
})

test('a server that cannot be reached at all', async () => {
  const { error, sleeps } = await finished({ endpoint: 'http://127.0.0.1:9/upload' }, fileOf(500))
  assert.equal(error.kind, 'network')
  assert.match(error.hint, /Check the connection/)
  assert.equal(error.resumable, false)
  assert.deepEqual(sleeps, [1000, 3000])
})

test('an address where something else lives', async () => {
  const server = await moody()
  server.next('GET /upload', ...Array(3).fill(answer(200, { hello: 'world' })))
  const { error } = await finished(server, fileOf(500))
  assert.match(error.message, /makes no sense/)
})
