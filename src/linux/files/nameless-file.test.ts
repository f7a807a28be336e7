import { expect, test } from 'bun:test'
import {
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { openNameless } from './nameless-file.ts'

test.each([tmpdir(), '/dev/shm'])('a file in %p has no name, and is written and read', (place) => {
  const directory = mkdtempSync(`${place}/nameless-`)
  const fd = openNameless(directory)
  try {
    writeSync(fd, 'text')
    expect(readFileSync(`/proc/self/fd/${fd}`, 'utf8')).toBe('text')
    const { mode, nlink } = fstatSync(fd)
    expect([mode & 0o777, nlink, readdirSync(directory)]).toEqual([0o600, 0, []])
  } finally {
    closeSync(fd)
    rmSync(directory, { recursive: true })
  }
})

test('a directory that is not there is an error that names it', () => {
  expect(() => openNameless('/no/such')).toThrow(
    expect.objectContaining({ code: 'ENOENT', path: '/no/such' }),
  )
})

/** Fails as a file system does that has no nameless files. */
const without = (code: string): typeof openSync => {
  return (path, flags, mode) => {
    if (typeof flags === 'string') return openSync(path, flags, mode)
    throw Object.assign(new Error(code), { code })
  }
}

test.each(['EOPNOTSUPP', 'EISDIR', 'EINVAL'])(
  'where %s says that there are none, the name is removed at once',
  (code) => {
    const directory = mkdtempSync(`${tmpdir()}/nameless-`)
    const fd = openNameless(directory, without(code))
    try {
      writeSync(fd, 'text')
      expect(readFileSync(`/proc/self/fd/${fd}`, 'utf8')).toBe('text')
      const { mode, nlink } = fstatSync(fd)
      expect([mode & 0o777, nlink, readdirSync(directory)]).toEqual([0o600, 0, []])
    } finally {
      closeSync(fd)
      rmSync(directory, { recursive: true })
    }
  },
)

test('a disk without room is told as that', () => {
  expect(() => openNameless(tmpdir(), without('ENOSPC'))).toThrow('ENOSPC')
})

test('it cannot be given a name', () => {
  const directory = mkdtempSync(`${tmpdir()}/nameless-`)
  const fd = openNameless(directory)
  try {
    const stdio = ['ignore', 'ignore', 'pipe', fd] as const
    const { stderr } = Bun.spawnSync(['ln', '-L', '/proc/self/fd/3', `${directory}/name`], {
      stdio: [...stdio],
      env: { LC_ALL: 'C' },
    })
    expect(String(stderr)).toContain('No such file')
    expect(readdirSync(directory)).toEqual([])
  } finally {
    closeSync(fd)
    rmSync(directory, { recursive: true })
  }
})
