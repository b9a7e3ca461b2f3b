/**
 * A tiny upload server over real sockets that misbehaves on demand.
 *
 * It follows the protocol from memory (in both senses) and shares no code with the client, so that a
 * misunderstanding of the wire on one side shows up as a failing test.
 */

import { createHash, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'

/** @typedef {(request: any, response: any, serve: () => void, body: Buffer) => void} Mishap */

export class Moody {
  chunkSize = 1000
  level = 2
  ticket = false
  maxFileSize = 1_000_000
  /** 202 so many times before complete is done. */
  polls = 0
  /** `METHOD /path` of every request, in order; sessions as `<id>`. */
  requests = []
  headers = []
  sessions = new Map()
  files = []
  bytesReceived = 0
  tickets = []
  #mishaps = []

  static async start(changes = {}) {
    const moody = Object.assign(new Moody(), changes)
    moody.server = createServer((request, response) => moody.#take(request, response))
    await new Promise((resolve) => moody.server.listen(0, '127.0.0.1', resolve))
    moody.endpoint = `http://127.0.0.1:${moody.server.address().port}/upload`
    return moody
  }

  stop() {
    this.server.closeAllConnections()
    this.server.close()
  }

  /** The next requests that begin so (`'PUT'`, `'POST /upload/init'`) meet these, one each, in this order. */
  next(request, ...mishaps) {
    this.#mishaps.push(...mishaps.map((mishap) => [request, mishap]))
  }

  count(request) {
    return this.requests.filter((line) => line.startsWith(request)).length
  }

  addFile(name, bytes) {
    const file = {
      fileId: `file-${this.files.length}`,
      fileName: name,
      fileSize: bytes.length,
      mimeType: 'application/octet-stream',
      fingerprint: createHash('sha256').update(bytes).digest('hex'),
      createdAt: '2026-01-01T00:00:00.000Z',
    }
    this.files.push({ ...file, bytes })
    return file
  }

  #take(request, response) {
    const line = `${request.method} ${request.url.replace(/[0-9a-f-]{36}/, '<id>')}`
    this.requests.push(line)
    this.headers.push(request.headers)
    const parts = []
    const at = this.#mishaps.findIndex(([begins]) => line.startsWith(begins))
    const [, mishap] = at < 0 ? [] : this.#mishaps.splice(at, 1)[0]
    request.on('error', () => {})
    if (mishap?.early) return mishap(request, response)
    request.on('data', (part) => parts.push(part))
    request.on('end', () => {
      const body = Buffer.concat(parts)
      const serve = () => this.#serve(request, response, body)
      if (mishap) mishap(request, response, serve, body)
      else serve()
    })
  }

  #serve(request, response, body) {
    const [path, id, verb] = request.url.split('/').slice(1)
    const json = request.headers['content-type'] === 'application/json' ? JSON.parse(String(body)) : {}
    const say = (status, document, headers = {}) => {
      response.writeHead(status, { 'Content-Type': 'application/json', ...headers })
      response.end(document === undefined ? undefined : JSON.stringify(document))
    }
    const refuse = (status, code, more = {}) => say(status, { status, code, title: code, detail: `${code}!`, ...more })
    const { method } = request
    if (path === 'tickets') {
      const made = `ticket-${this.tickets.length}`
      this.tickets.push(made)
      return say(201, { ticket: made, expiresAt: new Date(Date.now() + 3_600_000).toISOString() })
    }
    if (method === 'GET' && id === undefined) return say(200, this.#capabilities())
    if (method === 'POST' && id === undefined) return say(201, this.addFile('form', body))
    if (this.ticket && (id === 'init' || id === 'preflight')) {
      if (request.headers.authorization !== `Bearer ${this.tickets.at(-1)}`) return refuse(401, 'unauthorized')
    }
    if (id === 'preflight') {
      const known = this.files.find((file) => file.fingerprint === json.fingerprint)
      return say(200, known ? { exists: true, file: { ...known, bytes: undefined } } : { exists: false })
    }
    if (id === 'init') {
      const sessionId = randomUUID()
      const { chunkSize } = this
      this.sessions.set(sessionId, { sessionId, ...json, chunkSize, state: 'uploading', bytes: Buffer.alloc(0) })
      return say(201, { sessionId, uploadedBytes: 0, fileSize: json.fileSize, chunkSize, expiresAt: 'later' })
    }
    const session = this.sessions.get(id)
    if (!session) return refuse(404, 'session-not-found')
    const uploadedBytes = session.bytes.length
    if (method === 'DELETE') {
      if (session.state === 'finalizing') return refuse(409, 'wrong-state', { uploadedBytes })
      this.sessions.delete(id)
      return say(204)
    }
    if (method === 'PUT') {
      this.bytesReceived += body.length
      if (request.headers['x-upload-offset'] !== String(uploadedBytes)) {
        return refuse(409, 'offset-mismatch', { uploadedBytes })
      }
      if (body.length !== Math.min(session.chunkSize, session.fileSize - uploadedBytes)) {
        return refuse(400, 'wrong-chunk-size')
      }
      session.bytes = Buffer.concat([session.bytes, body])
      return say(200, { uploadedBytes: session.bytes.length })
    }
    if (verb === 'complete') {
      if (uploadedBytes !== session.fileSize) return refuse(409, 'upload-incomplete', { uploadedBytes })
      session.claim = json.fingerprint
      session.state = 'finalizing'
      if (this.polls > 0) return say(202, { state: 'finalizing' }, { 'Retry-After': '2' })
      return say(200, this.#finalize(session))
    }
    if (session.state === 'finalizing') {
      this.polls -= 1
      if (this.polls <= 0) this.#finalize(session)
    }
    const { sessionId, state, fileSize, chunkSize, file, problem } = session
    say(200, { sessionId, state, uploadedBytes, fileSize, chunkSize, file, problem })
  }

  #finalize(session) {
    session.state = 'completed'
    if (!session.file) {
      const fingerprint = createHash('sha256').update(session.bytes).digest('hex')
      const known = this.files.find((file) => file.fingerprint === fingerprint)
      session.duplicate = known !== undefined
      session.file = known ? { ...known, bytes: undefined } : this.addFile(session.fileName, session.bytes)
    }
    return { state: 'completed', file: session.file, duplicate: session.duplicate }
  }

  #capabilities() {
    const chunkSize = { default: this.chunkSize, minimum: 1, maximum: this.chunkSize }
    return {
      protocol: 1,
      level: this.level,
      claims: [],
      maxFileSize: this.maxFileSize,
      chunkSize: this.level === 1 ? null : chunkSize,
      sessionTtl: 60,
      links: {
        upload: '/upload',
        files: '/files',
        preflight: this.level === 1 ? null : '/upload/preflight',
        ticket: this.ticket ? '/tickets' : null,
      },
    }
  }
}

/** @returns {Mishap} an answer of our own; nothing is served */
export function answer(status, document, headers = {}) {
  return (_request, response) => {
    response.writeHead(status, headers)
    response.end(typeof document === 'string' ? document : JSON.stringify(document ?? { status, detail: `answer ${status}` }))
  }
}

/** The connection breaks inside the request. @type {Mishap} */
export function breakInside(request) {
  request.socket.destroy()
}
breakInside.early = true

/** Everything is done, and the answer is lost. @type {Mishap} */
export function loseAnswer(request, response, serve) {
  response.end = () => request.socket.destroy()
  serve()
}

/** Nothing happens, until the client gives up. @type {Mishap} */
export function hang() {}
hang.early = true
