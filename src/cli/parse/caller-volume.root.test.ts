import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { O_PATH } from '../../linux/files/open-at.ts'
import { mount, mountFlags, unmount } from '../../linux/mounts/mount.ts'
import { parseCallerVolume } from './caller-volume.ts'

let base: string
beforeAll(() => {
  base = mkdtempSync(`${tmpdir()}/caller-`)
})
afterAll(() => rmSync(base, { recursive: true }))

function directory(name: string): string {
  mkdirSync(`${base}/${name}`)
  return `${base}/${name}`
}

/** Opens the path as its user does, lets `change` happen, and reads the option. */
function parsed(path: string, change: () => void = () => {}, destination = '/data') {
  const fd = openSync(path, O_PATH)
  try {
    change()
    return parseCallerVolume(JSON.stringify({ fd, uid: 1000, gid: 100, destination, readonly: true }))
  } finally {
    closeSync(fd)
  }
}

test('a volume is known by its path, its user and its inode', () => {
  const path = directory('plain')
  const { dev, ino } = statSync(path, { bigint: true })
  expect(parsed(path)).toEqual({
    source: path,
    destination: '/data',
    readonly: true,
    caller: { uid: 1000, gid: 100, device: dev, inode: ino },
  })
})

test('a link in the place of what was opened is not followed: the file that was opened is meant, or none', () => {
  const path = directory('swapped')
  const { ino } = statSync(path)
  const swap = () => {
    renameSync(path, `${path}-away`)
    symlinkSync('/etc', path)
  }
  expect(parsed(path, swap)).toMatchObject({ source: `${path}-away`, caller: { inode: BigInt(ino) } })
  const gone = directory('gone')
  expect(() => parsed(gone, () => rmdirSync(gone))).toThrow(/\[CALLER_FILE\].*leads elsewhere/)
})

test('another mount on the way is another file, or the same one without the restrictions of its mount', () => {
  const covered = directory('covered')
  try {
    expect(() => parsed(covered, () => mount({ source: 'none', target: covered, type: 'tmpfs' }))).toThrow(
      /\[CALLER_FILE\].*leads elsewhere/,
    )
  } finally {
    unmount(covered)
  }
  // The same inode by another mount: what its user sees read-only, for instance.
  const again = directory('again')
  const bind = () => mount({ source: again, target: again, flags: mountFlags.bind })
  try {
    expect(() => parsed(again, bind)).toThrow(/\[CALLER_FILE\].*leads elsewhere/)
  } finally {
    unmount(again)
  }
})

test.each(['/dev/null', '/dev'])('%s: only files and directories are volumes', (path) => {
  if (path === '/dev') expect(parsed(path).source).toBe(path)
  else expect(() => parsed(path)).toThrow(/\[CALLER_FILE\].*neither a directory nor a regular file/)
})

test.each(['/', 'relative', '/..'])('"%s" is no place in a container', (destination) => {
  expect(() => parsed(base, undefined, destination)).toThrow('[VOLUME_INVALID]')
})

test.each(['/dev', '/dev/', '//x/../dev'])('nothing of a user’s is mounted on %s', (destination) => {
  for (const source of [base, '/dev'])
    expect(() => parsed(source, undefined, destination)).toThrow(/\[VOLUME_INVALID\].*hide the devices/)
})
