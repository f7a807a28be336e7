import { expect, test } from 'bun:test'
import { channelOf, hasOwnGuest } from './own-guest.ts'

const none = { kernel: '', initrd: '', image: '' }

test.each([
  ['nothing', none, false],
  ['a kernel', { ...none, kernel: '/k' }, false],
  ['an image', { ...none, image: '/d' }, false],
  ['an initrd', { ...none, initrd: '/i' }, true],
  ['kernel and initrd', { ...none, kernel: '/k', initrd: '/i' }, true],
  ['kernel and image', { ...none, kernel: '/k', image: '/d' }, true],
])('%s of the user’s', (_what, files, own) => {
  expect(hasOwnGuest(files)).toBe(own)
})

test('auto is virtio-serial for our guest, and vsock, where the host has it, for one of the user’s', () => {
  const channel = (agentChannel: 'auto' | 'vsock' | 'serial', initrd: string) =>
    channelOf({ ...none, driver: 'qemu', initrd, agentChannel })
  expect(channel('auto', '')).toBe('serial')
  expect(channel('auto', '/i')).toBe('auto')
  for (const chosen of ['vsock', 'serial'] as const)
    for (const initrd of ['', '/i']) expect(channel(chosen, initrd)).toBe(chosen)
  for (const driver of ['clh', 'firecracker'] as const)
    expect(channelOf({ ...none, driver, initrd: '/i', agentChannel: 'auto' })).toBe('serial')
})
