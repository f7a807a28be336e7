import { expect, test } from 'bun:test'
import { closeSync, fstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs'
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
