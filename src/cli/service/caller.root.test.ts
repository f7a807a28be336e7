import { expect, test } from 'bun:test'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { makeFifo } from '../../linux/files/fifo.ts'
import { mount, unmount } from '../../linux/mounts/mount.ts'
import { socketPair } from '../../linux/sockets/socket.ts'
import { createCaller, requireStreams } from './caller.ts'
import { sendFrame } from './frame.ts'
import type { Caller } from './restrict.ts'

const user = { uid: 1000, gid: 100 }

/** Calls `use` with a caller whose process has answered already: both ends are in this thread. */
function answered(answer: object, fds: readonly number[], use: (caller: Caller) => void): void {
  const [ours, users] = socketPair()
  try {
    sendFrame(users, answer, { fds, timeoutMs: 1000 })
    use(createCaller(ours, user))
  } finally {
    for (const fd of [ours, users]) closeSync(fd)
  }
}

/** Opens a file, as its user does before he sends it. */
function withOpen(path: string, flags: string, use: (fd: number) => void): void {
  const fd = openSync(path, flags)
  try {
    use(fd)
  } finally {
    closeSync(fd)
  }
}

test('a new file of a user that fits on his disk only in part is an error that names it', () => {
  const directory = mkdtempSync(`${tmpdir()}/caller-`)
  mount({ source: 'tmpfs', target: directory, type: 'tmpfs', data: 'size=16k' })
  const [ours, users] = socketPair()
  try {
    const fd = openSync(`${directory}/new`, 'wx')
    // The answer is there before the question, because both ends are in this thread.
    sendFrame(users, {}, { fds: [fd], timeoutMs: 1000 })
    closeSync(fd)
    const caller = createCaller(ours, user)
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

const available: readonly string[] = readFileSync('/proc/filesystems', 'utf8').match(/\w+$/gm) ?? []
const kernelsOwn = [
  ...['proc', 'sysfs', 'cgroup2', 'debugfs', 'tracefs', 'securityfs', 'bpf', 'configfs', 'selinuxfs'],
  ...['smackfs', 'binfmt_misc', 'efivarfs', 'pstore'],
]

for (const type of kernelsOwn)
  test.skipIf(!available.includes(type))(`what is on ${type} is no file that a member may name`, () => {
    const directory = mkdtempSync(`${tmpdir()}/caller-`)
    const reasonFor = (path: string) =>
      withOpen(path, 'r', (fd) =>
        answered({}, [fd], (caller) => {
          const reason = path === directory ? 'file system of the kernel’s own' : 'not a regular file'
          expect(() => caller.readable('named')).toThrow(
            expect.objectContaining({
              code: 'CALLER_FILE',
              fields: { path: 'named', reason: expect.stringContaining(reason) },
            }),
          )
        }),
      )
    mount({ source: 'test', target: directory, type })
    try {
      reasonFor(directory)
      // The control: a directory elsewhere is refused as that.
      reasonFor('/')
    } finally {
      unmount(directory)
      rmdirSync(directory)
    }
  })

test('a FIFO in place of a new file gets nothing: root would wait for its reader', () => {
  const directory = mkdtempSync(`${tmpdir()}/caller-`)
  try {
    makeFifo(`${directory}/fifo`)
    withOpen(`${directory}/fifo`, 'r+', (fd) =>
      answered({}, [fd], (caller) =>
        expect(() => caller.writeNew('new', 'name')).toThrow(
          expect.objectContaining({
            code: 'CALLER_FILE',
            fields: { path: 'new', reason: 'it is not a regular file' },
          }),
        ),
      ),
    )
    withOpen(`${directory}/file`, 'wx', (fd) =>
      answered({}, [fd], (caller) => caller.writeNew('new', 'name')),
    )
    expect(readFileSync(`${directory}/file`, 'utf8')).toBe('name')
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test.each([
  ['ENOENT', 'ENOENT'],
  ['E\x1b[2J', 'it cannot be opened'],
  ['root: it is fine', 'it cannot be opened'],
  ['x ENOENT', 'it cannot be opened'],
  ['ENOENT x', 'it cannot be opened'],
])('of the reason %j the log of root is told %j', (errno, reason) => {
  answered({ errno }, [], (caller) =>
    expect(() => caller.location('named')).toThrow(
      expect.objectContaining({ code: 'CALLER_FILE', fields: { path: 'named', reason } }),
    ),
  )
})
