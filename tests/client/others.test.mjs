/** Level 1, tickets of level 4, files that cannot be read, and the small parts. */

import assert from 'node:assert/strict'
import { File } from 'node:buffer'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'

import { Http, parseRetryAfter } from '../../shared/client/http.js'
import { DEFAULTS } from '../../shared/client/options.js'
import { allowanceFor, watchSilence } from '../../shared/client/silence.js'
import { Speed } from '../../shared/client/speed.js'
import { Upload } from '../../shared/client/uploader.js'
import { answer, breakInside, hang } from './moody.mjs'
import { bytesOf, fileOf, finished, moody, until, watched } from './stage.mjs'

test('level 1: one POST, nothing confirmed before all of it is', async () => {
  const server = await moody({ level: 1 })
  const seen = await finished(server, fileOf(2500))
  assert.equal(seen.result.how, 'sent')
  assert.equal(seen.upload.chunked, false)
  assert.deepEqual(seen.progress, [2500])
  assert.deepEqual(seen.states, ['uploading', 'done'])
  assert.deepEqual(server.requests, ['GET /upload', 'POST /upload'])
  const [form] = server.files
  assert.ok(form.bytes.includes(Buffer.from(bytesOf(2500))))
  assert.ok(form.bytes.includes('name="file"; filename="holiday.mp4"'))
})

test('level 1: its limit is told before anything is sent, with its reason', async () => {
  const server = await moody({ level: 1, maxFileSize: 1024 })
  const { error } = await finished(server, fileOf(2048))
  assert.equal(error.message, 'The file has 2 KiB; this server takes at most 1 KiB in its one request.')
  assert.equal(server.count('POST'), 0)
})

test('level 1: a broken connection is not tried again unasked; retry sends all of it', async () => {
  const server = await moody({ level: 1 })
  server.next('POST', breakInside)
  const { error, upload, sleeps } = await finished(server, fileOf(2500))
  assert.equal(error.kind, 'network')
  assert.match(error.hint, /send all of it again/)
  assert.equal(error.resumable, false)
  assert.deepEqual(sleeps, [])
  upload.start()
  await until(() => upload.state === 'done')
})

test('level 1: pause gives it up, resume sends it from the beginning', async () => {
  const server = await moody({ level: 1 })
  server.next('POST', hang)
  const { upload, over } = watched(server, fileOf(2500))
  upload.start()
  await until(() => server.count('POST') === 1)
  upload.pause()
  upload.resume()
  const { result } = await over
  assert.equal(result.bytesSent, 5000)
})

test('level 4: init and preflight carry a ticket, nothing else does', async () => {
  const server = await moody({ ticket: true })
  const { result } = await finished(server, fileOf(1500), { fingerprint: 'before' })
  assert.equal(result.how, 'sent')
  const carried = server.requests.filter((_, index) => server.headers[index].authorization)
  assert.deepEqual(carried, ['POST /upload/preflight', 'POST /upload/init'])
  assert.deepEqual(server.tickets, ['ticket-0'], 'one is enough')
})

test('level 4: a ticket that is refused is renewed, once', async () => {
  const server = await moody({ ticket: true })
  server.next('POST /upload/init', answer(401, { code: 'unauthorized', detail: 'Too old.' }))
  const { result } = await finished(server, fileOf(1500))
  assert.equal(result.how, 'sent')
  assert.equal(server.tickets.length, 2)

  server.next('POST /upload/init', ...Array(9).fill(answer(401, { code: 'unauthorized', detail: 'Too old.' })))
  const { error } = await finished(server, fileOf(1500))
  assert.equal(error.message, 'Too old.')
  assert.match(error.hint, /Sign in again/)
  assert.equal(server.count('POST /upload/init'), 4)
})

test('level 4: a ticket about to end is not used', async () => {
  const server = await moody({ ticket: true })
  const soon = new Date(Date.now() + 3000).toISOString()
  server.next('POST /tickets', (request, response) => {
    server.tickets.push('old')
    answer(201, { ticket: 'old', expiresAt: soon })(request, response)
  })
  await finished(server, fileOf(1500), { fingerprint: 'before' })
  const carried = server.headers.map((headers) => headers.authorization).filter(Boolean)
  assert.deepEqual(carried, ['Bearer old', 'Bearer ticket-1'])
})

test('level 4: no ticket, no upload, and the application says why', async () => {
  const server = await moody({ ticket: true })
  server.next('POST /tickets', answer(401, { code: 'unauthorized', detail: 'You are signed out.' }))
  server.next('POST /tickets', answer(401, { code: 'unauthorized', detail: 'You are signed out.' }))
  const { error } = await finished(server, fileOf(1500))
  assert.equal(error.message, 'You are signed out.')
})

/** A file that the system takes away after so many reads: a cloud folder, a phone's content provider. */
class Withdrawn extends File {
  reads = 0
  slice(start, stop) {
    this.reads += 1
    if (this.reads <= this.allowed) return super.slice(start, stop)
    const gone = () => Promise.reject(new DOMException('gone', 'NotReadableError'))
    // `fetch` meets a stream that breaks, and says no more than that something is wrong with the network.
    const stream = () => new ReadableStream({ pull: (controller) => controller.error(new TypeError('terminated')) })
    return Object.assign(new Blob(['x'.repeat(stop - start)]), { arrayBuffer: gone, stream })
  }
}

for (const [what, allowed, digest] of [
  ['before it is sent', 0, false],
  ['between chunks, where it is read for a digest', 2, true],
]) {
  test(`a file that cannot be read ${what}: no retry, and what to do`, async () => {
    const server = await moody()
    const file = new Withdrawn([bytesOf(2500)], 'cloud.mp4', { lastModified: 1 })
    file.allowed = allowed
    const { error, sleeps } = await finished(server, file, { digest })
    assert.equal(error.kind, 'unreadable')
    assert.match(error.hint, /Choose the file again from local storage/)
    assert.equal(error.resumable, allowed > 0)
    assert.deepEqual(sleeps, [])
  })
}

test('a connection that breaks because the file is gone is not blamed on the network', async () => {
  const server = await moody()
  const file = new Withdrawn([bytesOf(2500)], 'cloud.mp4', { lastModified: 1 })
  file.allowed = 2 // the sample, and the first chunk
  server.next('PUT', breakInside)
  const { error, sleeps, upload } = await finished(server, file)
  assert.equal(error.kind, 'unreadable')
  assert.deepEqual(sleeps, [])
  assert.ok(upload.remembered, 'choosing it again goes on from here')
})

test('a request that is never answered is given up', async () => {
  const server = await moody()
  server.next('GET', hang)
  await assert.rejects(new Http(fetch, {}, 50).ask('GET', server.endpoint), {
    kind: 'network',
    message: 'The server does not answer.',
  })
})

test('every option, event, method and property stands in the README', async () => {
  const readme = await readFile(new URL('../../shared/client/README.md', import.meta.url), 'utf8')
  const upload = new Upload(fileOf(1), { endpoint: 'http://127.0.0.1:9/upload', storage: null })
  const own = Object.getOwnPropertyNames(Upload.prototype).filter((name) => name !== 'constructor')
  const facts = ['error', 'result', 'confirmed', 'sent', 'hashed', 'total', 'speed', 'secondsLeft', 'chunked', 'retryIn']
  const names = [...Object.keys(DEFAULTS), ...Object.keys(upload.events), ...Object.keys(upload.world), ...own, ...facts]
  const missing = names.filter((name) => !readme.match(new RegExp(`\\b${name}\\b`)))
  assert.deepEqual(missing, [])
})

test('speed is an exponential moving average, alpha 0.25', () => {
  const speed = new Speed()
  assert.equal(speed.secondsFor(100), null)
  speed.add(1000, 1000)
  assert.equal(speed.bytesPerSecond, 1000)
  speed.add(2000, 1000)
  assert.equal(speed.bytesPerSecond, 1250)
  assert.equal(speed.secondsFor(2500), 2)
  assert.equal(speed.secondsFor(0), 0)
  speed.add(5, 0)
  assert.ok(Number.isFinite(speed.bytesPerSecond))
})

test('Retry-After is seconds or a date', () => {
  assert.equal(parseRetryAfter('120'), 120_000)
  assert.equal(parseRetryAfter('Wed, 21 Oct 2026 07:28:00 GMT', Date.UTC(2026, 9, 21, 7, 27, 50)), 10_000)
  assert.equal(parseRetryAfter('Wed, 21 Oct 2015 07:28:00 GMT'), 0)
  assert.equal(parseRetryAfter('soon'), null)
  assert.equal(parseRetryAfter(null), null)
})

test('silence: a chunk in the buffers of a slow line gets its time, a fast line less of it', () => {
  const chunk = 8 * 1024 * 1024
  assert.deepEqual(allowanceFor(60_000, chunk, null), { sending: 60_000, answering: 60_000 + 512_000 })
  assert.equal(allowanceFor(60_000, chunk, chunk).answering, 64_000)
  assert.equal(allowanceFor(60_000, chunk, 1).answering, 60_000 + 512_000)
})

test('silence: counted in ticks, so a device that sleeps is not silent; offline it is short', (t) => {
  let tick = null
  t.mock.method(globalThis, 'setInterval', (look) => (tick = look))
  t.mock.method(globalThis, 'clearInterval', () => (tick = null))
  const pass = (seconds) => {
    for (let second = 0; second < seconds; second += 1) tick?.()
  }
  for (const [online, ticks] of [
    [true, 60],
    [false, 5],
  ]) {
    let stalled = 0
    const watch = watchSilence({ sending: 60_000, answering: 90_000 }, () => online, () => (stalled += 1))
    pass(ticks - 1)
    assert.equal(stalled, 0)
    watch.moved()
    pass(ticks - 1)
    assert.equal(stalled, 0)
    pass(5)
    assert.equal(stalled, 1, 'once')
  }
})
