import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileIdentity } from './file-identity.ts'

test('numbers that one double stands for are those of two files', () => {
  const [one, other] = [2n ** 53n, 2n ** 53n + 1n]
  expect(Number(one)).toBe(Number(other))
  expect(fileIdentity({ dev: 1n, ino: one })).not.toBe(fileIdentity({ dev: 1n, ino: other }))
  expect(fileIdentity({ dev: 1n, ino: one })).not.toBe(fileIdentity({ dev: 2n, ino: one }))
})

test('who reads an inode number reads the whole of it', () => {
  const src = join(import.meta.dir, '../..')
  const forTests = /\.(test|double|host)\.ts$/
  const rounded = [...new Bun.Glob('**/*.ts').scanSync(src)].filter((file) => {
    const text = readFileSync(join(src, file), 'utf8')
    return !forTests.test(file) && /\bino\b/.test(text) && !/\bbigint: true\b/.test(text)
  })
  expect(rounded.sort()).toEqual([
    // It rounds the kernel's number as the one that it is given.
    'linux/mounts/loop-device.ts',
    'vmm/host/disk-nodes.ts',
    // Size and time of the file are compared, too.
    'vmm/kvm/kvm-trial.ts',
  ])
})
