import { describe, expect, test } from 'bun:test'
import { nicBackend, nicDescriptors, nicDevice } from './nic.ts'
import { deviceArgument } from './option-list.ts'

const nic = { id: 'nic2', mac: '02:00:00:00:00:01', mtu: 1400, taps: [40] }
const many = { ...nic, taps: [40, 41], vhosts: [42, 43] }

/** Numbers as the command line gives them: the roles in their order, from 7 on. */
function argsOf(card: Parameters<typeof nicBackend>[0]): string[] {
  const names = nicDescriptors(card).map(([role]) => role)
  const backend = nicBackend(card, (role) => 7 + names.indexOf(role))
  return [...backend, ...deviceArgument(nicDevice(card), 'pcie.0')]
}

describe('a card at boot', () => {
  test('of one queue', () => {
    expect(argsOf(nic)).toEqual([
      ...['-netdev', 'tap,id=nic2,fd=7'],
      '-device',
      'virtio-net-pci,id=nic2,netdev=nic2,mac=02:00:00:00:00:01,host_mtu=1400,romfile=,bus=pcie.0',
    ])
  })

  test('of several queues that the kernel serves', () => {
    expect(argsOf(many)).toEqual([
      ...['-netdev', 'tap,id=nic2,fds=7:8,vhost=on,vhostfds=9:10'],
      '-device',
      'virtio-net-pci,id=nic2,netdev=nic2,mac=02:00:00:00:00:01,host_mtu=1400,romfile=,mq=on,vectors=6,bus=pcie.0',
    ])
    expect(argsOf({ ...nic, vhosts: [42] })[1]).toBe('tap,id=nic2,fd=7,vhost=on,vhostfd=8')
  })

  test('hands over taps first, then vhosts', () => {
    expect(nicDescriptors(many).map(([, fd]) => fd)).toEqual([40, 41, 42, 43])
  })

  test.each([{ mac: '02:00:00:00:00:01,x=y' }, { mac: '' }, { mtu: 0 }, { mtu: 1.5 }, { mtu: 70_000 }])(
    'nothing becomes an option of its own: %p',
    (wrong) => {
      expect(() => argsOf({ ...nic, ...wrong })).toThrow('[VMM_OPTION_INVALID]')
    },
  )
})
