import { expect, test } from 'bun:test'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { atPath, writeAll } from './named-write.ts'

test('a full disk is told with the name of the file', () => {
  expect(() => atPath('/var/x', () => writeFileSync('/dev/full', 'text'))).toThrow(
    expect.objectContaining({ code: 'ENOSPC', syscall: 'write', path: '/var/x' }),
  )
  const fd = openSync('/dev/full', 'w')
  expect(() => writeAll(fd, Buffer.from('text'), '/var/x')).toThrow(
    expect.objectContaining({ code: 'ENOSPC', path: '/var/x' }),
  )
  closeSync(fd)
})

test('an error that names a file, or is none of the system, stays as it is', () => {
  const fails = (path: string) => atPath('/var/x', () => writeFileSync(path, ''))
  expect(() => fails('/no/such/file')).toThrow(expect.objectContaining({ path: '/no/such/file' }))
  const ours = new Error('ours')
  expect(() =>
    atPath('/var/x', () => {
      throw ours
    }),
  ).toThrow(ours)
  expect(ours).not.toHaveProperty('path')
})

test('an error of the flush is told with the name of the file', () => {
  // It takes all, and cannot be flushed.
  const fd = openSync('/dev/null', 'w')
  const flushed = () => writeAll(fd, Buffer.from('text'), '/var/x', { isFlushed: true })
  expect(flushed).toThrow(expect.objectContaining({ code: 'EINVAL', syscall: 'fsync', path: '/var/x' }))
  closeSync(fd)
})
