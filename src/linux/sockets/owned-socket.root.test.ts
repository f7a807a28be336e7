/** A socket that is dialled in a directory of somebody who may be hostile is his own, or none. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { chownSync, closeSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { withSocketOf } from './owned-socket.ts'
import { connectUnix, listenUnix } from './socket.ts'

const [user, other] = [4242, 4300]
let directory: string
let listeners: number[]
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/owned-`)
  listeners = []
})
afterEach(() => {
  for (const fd of listeners) closeSync(fd)
  rmSync(directory, { recursive: true })
})

function socketOf(uid: number): string {
  const path = `${directory}/of-${uid}`
  listeners.push(listenUnix(path))
  chownSync(path, uid, uid)
  return path
}

/** What came of dialling the path for `user`. */
const dialled = (path: string) =>
  withSocketOf(path, user, (place) => closeSync(connectUnix(place))).then(() => 'connected', String)

test('the user’s own socket is dialled', async () => {
  expect(await dialled(socketOf(user))).toBe('connected')
})

test.each([
  ['another user’s', () => socketOf(other), 'is not a socket of user 4242'],
  ['root’s', () => socketOf(0), 'is not a socket of user 4242'],
  [
    'another user’s behind a link',
    () => {
      symlinkSync(socketOf(other), `${directory}/link`)
      return `${directory}/link`
    },
    'is not a socket of user 4242',
  ],
  [
    'his own behind a link',
    () => {
      symlinkSync(socketOf(user), `${directory}/link`)
      return `${directory}/link`
    },
    'is not a socket of user 4242',
  ],
  [
    'no socket',
    () => {
      writeFileSync(`${directory}/file`, '')
      chownSync(`${directory}/file`, user, user)
      return `${directory}/file`
    },
    'is not a socket of user 4242',
  ],
  ['none', () => `${directory}/none`, 'ENOENT'],
])('%s is not', async (_, make, reason) => {
  expect(await dialled(make())).toContain(reason)
})
