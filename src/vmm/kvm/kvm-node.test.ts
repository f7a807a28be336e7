import { expect, test } from 'bun:test'
import { openKvmNode } from './kvm-node.ts'

test.each([
  ['/dev/null', 'is not the device 10:232'],
  ['/nonexistent', 'cannot be opened \\(ENOENT\\)'],
])('%p is refused', (path, reason) => {
  expect(() => openKvmNode(path)).toThrow(new RegExp(`^\\[KVM_MISSING\\].*${reason}`))
})
