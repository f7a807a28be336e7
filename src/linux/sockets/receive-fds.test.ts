import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { watchOpenFiles } from '../files/open-files.double.ts'
import { libc } from '../libc.ts'
import { peerOf } from './peer.ts'
import { receiveFds, setTimeouts } from './receive-fds.ts'
import { sendFds } from './send-fds.ts'
import { socketPair } from './socket.ts'

const F_GETFD = 1
let ours: number
let theirs: number
beforeEach(() => {
  ;[ours, theirs] = socketPair()
})
afterEach(() => {
  for (const fd of [ours, theirs]) closeSync(fd)
})

test('bytes come with the descriptors that were sent with them, in their order', () => {
  const directory = mkdtempSync(`${tmpdir()}/fds-`)
  const files = ['a', 'b', 'c'].map((name) => `${directory}/${name}`)
  for (const file of files) writeFileSync(file, file)
  const fds = files.map((file) => openSync(file, 'r'))
  sendFds(ours, Buffer.from('ping'), fds)
  for (const fd of fds) closeSync(fd)
  const got = receiveFds(theirs, 64, 3)
  expect(Buffer.from(got.bytes).toString()).toBe('ping')
  expect(got.fds.map((fd) => readFileSync(fd, 'utf8'))).toEqual(files)
  const closeOnExec = got.fds.map((fd) => libc.fcntl(fd, F_GETFD, 0))
  expect(closeOnExec).toEqual([1, 1, 1])
  for (const fd of got.fds) closeSync(fd)
  rmSync(directory, { recursive: true })
})

test.each([1, 0])('of more descriptors than %d none stays open', async (most) => {
  const nothingStaysOpen = watchOpenFiles()
  sendFds(ours, Buffer.from('x'), [ours, theirs, ours, theirs])
  expect(() => receiveFds(theirs, 64, most)).toThrow(/EMSGSIZE/)
  await nothingStaysOpen()
})

test('a peer that says nothing ends the wait, and one that left is an empty read', () => {
  setTimeouts(theirs, 20)
  expect(() => receiveFds(theirs, 64, 1)).toThrow(/EAGAIN/)
  closeSync(ours)
  expect(receiveFds(theirs, 64, 1)).toEqual({ bytes: Buffer.alloc(0), fds: [] })
  ours = openSync('/dev/null', 'r')
})

test('the peer is told by the kernel', () => {
  const { pid, uid, gid, groups } = peerOf(ours)
  expect({ pid, uid, gid }).toEqual({ pid: process.pid, uid: process.getuid!(), gid: process.getgid!() })
  expect(groups.toSorted()).toEqual(process.getgroups!().toSorted())
  expect(fstatSync(ours).isSocket()).toBe(true)
})
