import { expect, test } from 'bun:test'
import { watchOpenFiles } from '../../linux/files/open-files.double.ts'
import { openVsock } from './vsock.ts'

test('a host without it: auto and serial do without, vsock is refused', () => {
  expect(openVsock('serial', '/nonexistent/vhost-vsock')).toBeUndefined()
  expect(openVsock('auto', '/nonexistent/vhost-vsock')).toBeUndefined()
  expect(() => openVsock('vsock', '/nonexistent/vhost-vsock')).toThrow(
    '[VSOCK_MISSING] agent_channel = "vsock" needs /nonexistent/vhost-vsock',
  )
})

test('serial does not even look', () => {
  expect(openVsock('serial', '/dev/null')).toBeUndefined()
})

test('a device that gives no address is refused, auto included, and closed', async () => {
  const nothingStaysOpen = watchOpenFiles()
  for (const channel of ['auto', 'vsock'] as const)
    expect(() => openVsock(channel, '/dev/null')).toThrow(
      '[VSOCK_FAILED] /dev/null gave the machine no vsock address: ENOTTY',
    )
  await nothingStaysOpen()
})
