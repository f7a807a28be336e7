import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { templateKey } from './template-key.ts'

const host = { bootId: 'boot', processor: 'one' }

function withFiles(work: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'kata-ts-key-'))
  try {
    work(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test('a key stays while nothing changes, and is another after each change', () => {
  withFiles((directory) => {
    const file = `${directory}/kernel`
    writeFileSync(file, 'one')
    const shape = { args: ['-m', '256'], files: [file] }
    const key = templateKey(shape, host)
    expect(key).toMatch(/^[0-9a-f]{64}$/)
    expect(templateKey(shape, host)).toBe(key)
    expect(templateKey(shape, { ...host, bootId: 'another' })).not.toBe(key)
    expect(templateKey(shape, { ...host, processor: 'another' })).not.toBe(key)
    expect(templateKey({ ...shape, args: ['-m', '512'] }, host)).not.toBe(key)
    writeFileSync(file, 'two')
    expect(templateKey(shape, host)).not.toBe(key)
  })
})

test('a link counts as the file that it leads to', () => {
  withFiles((directory) => {
    writeFileSync(`${directory}/kernel`, 'one')
    symlinkSync('kernel', `${directory}/link`)
    const key = (name: string) => templateKey({ args: [], files: [`${directory}/${name}`] }, host)
    expect(key('link')).toBe(key('kernel'))
  })
})

test('a file that is gone has no key', () => {
  expect(() => templateKey({ args: [], files: ['/no/such/file'] }, host)).toThrow('ENOENT')
})
