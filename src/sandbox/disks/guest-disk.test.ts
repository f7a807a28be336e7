import { expect, test } from 'bun:test'
import { fileSystemOptions } from './guest-disk.ts'

test('words about the mount, or of the host’s SELinux, are not for the guest', () => {
  const label = 'context="system_u:object_r:container_file_t:s0:c22,c33"'
  expect(fileSystemOptions(['rw', 'loop', 'rbind', 'noload', label, 'fscontext=a:b:c'])).toEqual([
    'rw',
    'noload',
  ])
})
