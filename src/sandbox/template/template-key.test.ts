import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { templateKey } from './template-key.ts'

const host = { bootId: 'boot', processor: 'one' }
const making = { hasMemoryFile: false, drivers: ['virtio_net'] }

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
    const key = templateKey(shape, host, making)
    expect(key).toMatch(/^[0-9a-f]{64}$/)
    expect(templateKey(shape, host, making)).toBe(key)
    expect(templateKey(shape, { ...host, bootId: 'another' }, making)).not.toBe(key)
    expect(templateKey(shape, { ...host, processor: 'another' }, making)).not.toBe(key)
    expect(templateKey({ ...shape, args: ['-m', '512'] }, host, making)).not.toBe(key)
    expect(templateKey(shape, host, { ...making, hasMemoryFile: true })).not.toBe(key)
    expect(templateKey(shape, host, { ...making, drivers: [] })).not.toBe(key)
    writeFileSync(file, 'two')
    expect(templateKey(shape, host, making)).not.toBe(key)
  })
})

test('a link counts as the file that it leads to', () => {
  withFiles((directory) => {
    writeFileSync(`${directory}/kernel`, 'one')
    symlinkSync('kernel', `${directory}/link`)
    const key = (name: string) => templateKey({ args: [], files: [`${directory}/${name}`] }, host, making)
    expect(key('link')).toBe(key('kernel'))
  })
})

test('a file that is gone has no key', () => {
  expect(() => templateKey({ args: [], files: ['/no/such/file'] }, host, making)).toThrow('ENOENT')
})
