import { expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { openVsock } from './vsock.ts'

const open = () => readdirSync('/proc/self/fd').length

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

test('a device that gives no address is refused, auto included, and closed', () => {
  const before = open()
  for (const channel of ['auto', 'vsock'] as const)
    expect(() => openVsock(channel, '/dev/null')).toThrow(
      '[VSOCK_FAILED] /dev/null gave the machine no vsock address: ENOTTY',
    )
  expect(open()).toBe(before)
})
