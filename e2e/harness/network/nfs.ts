/**
 * A file server that speaks as much NFS 3 (RFC 1813) as a kernel needs to mount a directory with one file, read the file and write it.
 * MOUNT and NFS share a port, so that a client needs no portmapper.
 */

import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { XdrReader, XdrWriter } from './xdr.ts'

const programs = { mount: 100005, nfs: 100003 } as const
const [ok, noEntry, notSupported] = [0, 2, 10004]
const [regular, directory] = [1, 2]
/** Handles, which are file ids too. */
const [rootId, fileId] = [1, 2]
const mostBytes = 65536

export interface NfsServer extends Disposable {
  readonly port: number
  /** What the file holds now. */
  text(): string
}

/** Serves a directory with the file `name`. */
export async function serveNfs(address: string, name: string, content: string): Promise<NfsServer> {
  const file = new ServedFile(name, Buffer.from(content))
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    answerRecords(socket, file)
  }).listen(0, address)
  await once(server, 'listening')
  return {
    port: (server.address() as { port: number }).port,
    text: () => file.bytes.toString(),
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

class ServedFile {
  bytes: Buffer
  readonly name: string
  constructor(name: string, bytes: Buffer) {
    this.name = name
    this.bytes = bytes
  }
}

/** Records have their length before them, and come whole or in pieces. */
function answerRecords(socket: Socket, file: ServedFile): void {
  let pending = Buffer.alloc(0)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk])
    for (;;) {
      if (pending.length < 4) return
      const length = pending.readUInt32BE() & 0x7fffffff
      if (pending.length < 4 + length) return
      const answer = call(new XdrReader(pending.subarray(4, 4 + length)), file)
      pending = pending.subarray(4 + length)
      const head = Buffer.alloc(4)
      head.writeUInt32BE((0x80000000 | answer.length) >>> 0)
      socket.write(Buffer.concat([head, answer]))
    }
  })
}

/** RFC 5531: the call's head, and the accepted reply's. */
function call(request: XdrReader, file: ServedFile): Buffer {
  const xid = request.number()
  request.skip(8)
  const [program, , procedure] = [request.number(), request.number(), request.number()]
  for (let part = 0; part < 2; part++) {
    request.skip(4)
    request.opaque()
  }
  const reply = new XdrWriter().numbers(xid, 1, 0, 0, 0, 0)
  const procedures = program === programs.mount ? mountCalls : nfsCalls
  procedures[procedure]?.(request, reply, file) ?? reply.numbers(...(procedure === 0 ? [] : [notSupported]))
  return reply.bytes()
}

type Procedure = (request: XdrReader, reply: XdrWriter, file: ServedFile) => XdrWriter
const handle = (reply: XdrWriter, id: number) => reply.opaque(Buffer.from([id]))
const idOf = (request: XdrReader) => request.opaque()[0]!

function attributes(reply: XdrWriter, id: number, { bytes }: ServedFile): XdrWriter {
  const [type, mode, size] = id === rootId ? [directory, 0o755, 4096] : [regular, 0o644, bytes.length]
  reply.numbers(type, mode, 1, 0, 0).longs(size, size).numbers(0, 0).longs(1, id)
  // Changes are seen by the change of the size alone, which is enough here.
  return reply.numbers(...Array<number>(6).fill(size))
}
const after = (reply: XdrWriter, id: number, file: ServedFile) => attributes(reply.numbers(1), id, file)
/** Nothing of before a change, and the attributes after it. */
const changed = (reply: XdrWriter, id: number, file: ServedFile) => after(reply.numbers(0), id, file)

const mountCalls: Readonly<Record<number, Procedure>> = {
  1: (_, reply) => handle(reply.numbers(ok), rootId).numbers(1, 1),
  3: (_, reply) => reply,
}

const nfsCalls: Readonly<Record<number, Procedure>> = {
  1: (request, reply, file) => attributes(reply.numbers(ok), idOf(request), file),
  2: (request, reply, file) => {
    const id = idOf(request)
    for (let word = 0; word < 3; word++) if (request.number() === 1) request.skip(4)
    if (request.number() === 1) resize(file, request.long())
    return changed(reply.numbers(ok), id, file)
  },
  3: (request, reply, file) => {
    idOf(request)
    const isKnown = request.opaque().toString() === file.name
    if (!isKnown) return after(reply.numbers(noEntry), rootId, file)
    return after(after(handle(reply.numbers(ok), fileId), fileId, file), rootId, file)
  },
  4: (request, reply, file) => {
    const id = idOf(request)
    return after(reply.numbers(ok), id, file).numbers(request.number())
  },
  6: (request, reply, file) => {
    const id = idOf(request)
    const [offset, count] = [request.long(), request.number()]
    const part = file.bytes.subarray(offset, offset + count)
    const isEnd = offset + part.length >= file.bytes.length
    return after(reply.numbers(ok), id, file)
      .numbers(part.length, isEnd ? 1 : 0)
      .opaque(part)
  },
  7: (request, reply, file) => {
    const id = idOf(request)
    const offset = request.long()
    request.skip(8)
    const data = request.opaque()
    resize(file, Math.max(file.bytes.length, offset + data.length))
    data.copy(file.bytes, offset)
    return changed(reply.numbers(ok), id, file).numbers(data.length, 2, 0, 0)
  },
  16: (request, reply, file) => entries(request, reply, file, () => {}),
  17: (request, reply, file) =>
    entries(request, reply, file, () => handle(after(reply, fileId, file).numbers(1), fileId)),
  18: (request, reply, file) =>
    after(reply.numbers(ok), idOf(request), file).longs(1e6, 1e6, 1e6, 10, 10, 10).numbers(0),
  19: (request, reply, file) => {
    const sizes = [mostBytes, mostBytes, 1, mostBytes, mostBytes, 1, mostBytes]
    return after(reply.numbers(ok), idOf(request), file)
      .numbers(...sizes)
      .longs(2 ** 40)
      .numbers(0, 1, 0x18)
  },
  20: (request, reply, file) => after(reply.numbers(ok), idOf(request), file).numbers(1, 255, 1, 1, 0, 1),
  21: (request, reply, file) => changed(reply.numbers(ok), idOf(request), file).numbers(0, 0),
}

/** The one entry of the directory, with what `more` tells of it. */
function entries(request: XdrReader, reply: XdrWriter, file: ServedFile, more: () => unknown): XdrWriter {
  const id = idOf(request)
  const isDone = request.long() > 0
  after(reply.numbers(ok), id, file).numbers(0, 0)
  if (!isDone) {
    reply.numbers(1).longs(fileId).opaque(Buffer.from(file.name)).longs(1)
    more()
  }
  return reply.numbers(0, 1)
}

function resize(file: ServedFile, size: number): void {
  file.bytes = Buffer.concat([
    file.bytes.subarray(0, size),
    Buffer.alloc(Math.max(0, size - file.bytes.length)),
  ])
}
