import { expect, test } from 'bun:test'
import { TreeTooDeep } from '../../../images/file-tree.ts'
import { SyscallError } from '../../../linux/libc.ts'
import { readingFiles } from './container-files.ts'

const failing = (error: unknown) => readingFiles('web', () => Promise.reject(error))

test('files that cannot be read are told with their container, and other failures as they are', async () => {
  await expect(failing(new TreeTooDeep())).rejects.toMatchObject({
    code: 'FILES_UNREADABLE',
    fields: { name: 'web', reason: 'a path is longer than 4096 bytes' },
    remedy: expect.stringContaining('incomplete'),
  })
  await expect(failing(new SyscallError('openat2', 'EIO'))).rejects.toThrow(
    /^\[FILES_UNREADABLE\] the files of container web cannot be read: openat2 failed: EIO/,
  )
  const other = new Error('another')
  await expect(failing(other)).rejects.toBe(other)
  expect(await readingFiles('web', async () => 'read')).toBe('read')
})
