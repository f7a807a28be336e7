import { expect, test } from 'bun:test'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { mount, unmount } from '../../linux/mounts/mount.ts'
import { socketPair } from '../../linux/sockets/socket.ts'
import { createCaller, requireStreams } from './caller.ts'
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

test.skipIf(!existsSync('/dev/fuse'))(
  'a control file of a user’s own FUSE mount is no stream: root’s writes go beyond its bounds',
  () => {
    const directory = mkdtempSync(`${tmpdir()}/caller-`)
    const [control, mounted] = [`${directory}/control`, `${directory}/mounted`]
    for (const path of [control, mounted]) mkdirSync(path)
    mount({ source: 'fusectl', target: control, type: 'fusectl' })
    const others = readdirSync(control)
    const server = openSync('/dev/fuse', 'r+')
    const streams = ['r', 'r+'].map((flags) => openSync('/dev/null', flags))
    try {
      const data = `fd=${server},rootmode=40000,user_id=1000,group_id=100`
      mount({ source: 'test', target: mounted, type: 'fuse', data })
      try {
        const own = readdirSync(control).find((name) => !others.includes(name))
        const output = openSync(`${control}/${own}/max_background`, 'w')
        streams.push(output)
        const [input = -1, error = -1] = streams
        requireStreams([input, error, error])
        expect(() => requireStreams([input, output, error])).toThrow('file system of the kernel’s own')
      } finally {
        unmount(mounted)
      }
    } finally {
      for (const fd of [server, ...streams]) closeSync(fd)
      unmount(control)
      for (const path of [mounted, control, directory]) rmdirSync(path)
    }
  },
)
