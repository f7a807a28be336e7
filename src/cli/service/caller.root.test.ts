import { expect, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { mount, unmount } from '../../linux/mounts/mount.ts'
import { socketPair } from '../../linux/sockets/socket.ts'
import { createCaller } from './caller.ts'
import { sendFrame } from './frame.ts'

test('a new file of a user that fits on his disk only in part is an error that names it', () => {
  const directory = mkdtempSync(`${tmpdir()}/caller-`)
  mount({ source: 'tmpfs', target: directory, type: 'tmpfs', data: 'size=16k' })
  const [ours, users] = socketPair()
  try {
    const fd = openSync(`${directory}/new`, 'wx')
    // The answer is there before the question, because both ends are in this thread.
    sendFrame(users, {}, { fds: [fd], timeoutMs: 1000 })
    closeSync(fd)
    const caller = createCaller(ours, { uid: 1000, gid: 100 })
    expect(() => caller.writeNew('new', 'x'.repeat(64 * 1024))).toThrow(
      expect.objectContaining({ code: 'ENOSPC', path: 'new' }),
    )
  } finally {
    for (const fd of [ours, users]) closeSync(fd)
    unmount(directory)
    rmdirSync(directory)
  }
})
