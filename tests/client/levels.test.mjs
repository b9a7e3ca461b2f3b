/** The client against a real server, whose `/upload` is named by the environment. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { discardUnfinished, findUnfinished, getCapabilities } from '../../shared/client/uploader.js'
import { MemoryStorage, bytesOf, fileOf, finished, sha256, until, watched } from './stage.mjs'

const endpoint = process.env.UPLOAD_TEST_ENDPOINT
assert.ok(endpoint, 'UPLOAD_TEST_ENDPOINT names the server under test')
const { chunkSize, links } = await getCapabilities(endpoint)
const real = { sleep: undefined } // the real one
const KIB = 1024

async function stored(file) {
  const response = await fetch(`${links.files}/${file.fileId}/content`)
  return sha256(new Uint8Array(await response.arrayBuffer()))
}

test('a file arrives whole', async () => {
  const file = fileOf(100 * KIB, { seed: 11, name: 'whole.bin' })
  const { result, error } = await finished({ endpoint }, file, { ...real, chunkSize: 32 * KIB })
  assert.equal(error, undefined)
  assert.equal(await stored(result.file), sha256(bytesOf(100 * KIB, 11)))
})

if (chunkSize !== null) {
  test('an empty one too', async () => {
    const { result } = await finished({ endpoint }, fileOf(0, { name: 'empty.bin' }), real)
    assert.equal(result.file.fileSize, 0)
  })

  test('with a digest for each chunk', async () => {
    const file = fileOf(100 * KIB, { seed: 12, name: 'digest.bin' })
    const { result } = await finished({ endpoint }, file, { ...real, chunkSize: 32 * KIB, digest: true })
    assert.equal(result.how, 'sent')
  })

  test('recognised before it is sent, and while it is', async () => {
    const file = fileOf(200 * KIB, { seed: 13, name: 'again.bin' })
    await finished({ endpoint }, file, real)
    const before = await finished({ endpoint }, file, { ...real, fingerprint: 'before' })
    assert.deepEqual([before.result.how, before.result.bytesSent], ['already-there', 0])
    const beside = await finished({ endpoint }, file, { ...real, fingerprint: 'beside', chunkSize: KIB })
    assert.equal(beside.result.how, 'already-there')
    assert.ok(beside.result.bytesSent < file.size)
  })

  test('paused, listed after a reload, and gone on with', async () => {
    const storage = new MemoryStorage()
    const file = fileOf(200 * KIB, { seed: 14, name: 'reload.bin' })
    const first = watched({ endpoint }, file, { ...real, storage, chunkSize: 10 * KIB })
    first.upload.start()
    await until(() => first.upload.confirmed > 20 * KIB)
    first.upload.pause()
    await new Promise((resolve) => setTimeout(resolve, 100))
    // A reload takes the page's memory with it; only the storage is left.
    const { isInUse, releaseKey } = await import('../../shared/client/sessions.js')
    assert.ok(isInUse(storage.key(0)))
    releaseKey(storage.key(0))
    const [entry] = await findUnfinished(endpoint, { storage })
    assert.ok(entry.uploadedBytes > 20 * KIB)
    const { result, resumed } = await finished({ endpoint }, file, { ...real, storage })
    assert.deepEqual(resumed, [entry.uploadedBytes])
    assert.equal(result.bytesSent, 200 * KIB - entry.uploadedBytes)
    assert.equal(await stored(result.file), sha256(bytesOf(200 * KIB, 14)))
  })

  test('cancelled and discarded: gone at the server', async () => {
    for (const discard of [false, true]) {
      const storage = new MemoryStorage()
      const file = fileOf(200 * KIB, { seed: 15, name: 'cancel.bin' })
      const { upload } = watched({ endpoint }, file, { ...real, storage, chunkSize: 2 * KIB })
      upload.start()
      await until(() => upload.confirmed > 0)
      const { sessionId } = upload
      if (discard) {
        upload.pause()
        const entry = { key: storage.key(0), sessionId }
        assert.equal(await discardUnfinished(entry, { endpoint, storage }), true)
      } else assert.equal(await upload.abort({ cancel: true }), true)
      assert.equal((await fetch(`${endpoint}/${sessionId}`)).status, 404)
      assert.equal(storage.length, 0)
    }
  })

  test('content that is not what its name says is refused in the words of the server', async () => {
    const { error } = await finished({ endpoint }, fileOf(50 * KIB, { seed: 16, name: 'photo.jpg' }), real)
    assert.equal(error.code, 'content-rejected')
    assert.equal(error.resumable, false)
  })
}
