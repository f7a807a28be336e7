import { dlopen } from 'bun:ffi'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { checked, libc, ptr } from '../libc.ts'
import { sendFds } from './send-fds.ts'
import { socketPair } from './socket.ts'

const { symbols } = dlopen('libc.so.6', { recvmsg: { args: ['i32', 'ptr', 'i32'], returns: 'i64' } })
const directory = mkdtempSync(`${tmpdir()}/fds-`)
let ours: number
let theirs: number

beforeAll(() => {
  const pair = new Int32Array(2)
  checked(libc.socketpair(1, 1, 0, ptr(pair)), 'socketpair')
  ;[ours, theirs] = [pair[0]!, pair[1]!]
})
afterAll(() => {
  closeSync(theirs)
  rmSync(directory, { recursive: true })
})

function receive(): { text: string; fd: number } {
  const bytes = Buffer.alloc(64)
  const iovec = Buffer.alloc(16)
  iovec.writeBigUInt64LE(BigInt(ptr(bytes)), 0)
  iovec.writeBigUInt64LE(64n, 8)
  const control = Buffer.alloc(64)
  const message = Buffer.alloc(56)
  message.writeBigUInt64LE(BigInt(ptr(iovec)), 16)
  message.writeBigUInt64LE(1n, 24)
  message.writeBigUInt64LE(BigInt(ptr(control)), 32)
  message.writeBigUInt64LE(64n, 40)
  const size = checked(symbols.recvmsg(theirs, ptr(message), 0), 'recvmsg')
  return { text: bytes.toString('utf8', 0, size), fd: control.readInt32LE(16) }
}

test('the receiver gets a descriptor of its own', () => {
  writeFileSync(`${directory}/file`, 'behind the descriptor')
  const fd = openSync(`${directory}/file`, 'r')
  expect(sendFds(ours, Buffer.from('ping'), [fd])).toBe(4)
  closeSync(fd)
  rmSync(`${directory}/file`)
  const got = receive()
  expect(got.text).toBe('ping')
  expect(readFileSync(got.fd, 'utf8')).toBe('behind the descriptor')
  closeSync(got.fd)
})

test('bytes alone pass as well', () => {
  expect(sendFds(ours, Buffer.from('plain'), [])).toBe(5)
  expect(receive().text).toBe('plain')
})

test('a full socket takes nothing', () => {
  const [from, to] = socketPair()
  while (sendFds(from, Buffer.alloc(65_536), []) > 0);
  expect(sendFds(from, Buffer.from('x'), [from])).toBe(0)
  for (const fd of [from, to]) closeSync(fd)
})

test('says why it cannot', () => {
  expect(() => sendFds(ours, Buffer.from('x'), [9999])).toThrow(/EBADF/)
  closeSync(ours)
  expect(() => sendFds(ours, Buffer.from('x'), [])).toThrow(/EBADF/)
})
