import { expect, test } from 'bun:test'
import { RootPorts } from '../settings/root-ports.ts'
import { plugNic } from './plug-nic.ts'

const nic = { id: 'nic2', mac: '02:00:00:00:00:01', mtu: 1400, taps: [40] }
const many = { ...nic, taps: [40, 41], vhosts: [42, 43] }

function machine(fails?: string) {
  const calls: string[] = []
  const ports = new RootPorts(1)
  const execute = async (command: string, args: object, fds: readonly number[] = []) => {
    calls.push(`${command} ${JSON.stringify(args)}${fds.length > 0 ? ` fd ${fds}` : ''}`)
    if (command === fails) throw new Error(`${command} failed`)
  }
  return { calls, plug: (card: Parameters<typeof plugNic>[2]) => plugNic(execute, ports, card) }
}

test('a card that comes later takes a root port', async () => {
  const { calls, plug } = machine()
  await plug(many)
  expect(calls).toEqual([
    'getfd {"fdname":"tap-nic2-0"} fd 40',
    'getfd {"fdname":"tap-nic2-1"} fd 41',
    'getfd {"fdname":"vhost-nic2-0"} fd 42',
    'getfd {"fdname":"vhost-nic2-1"} fd 43',
    'netdev_add {"type":"tap","id":"nic2","fds":"tap-nic2-0:tap-nic2-1","vhost":true,"vhostfds":"vhost-nic2-0:vhost-nic2-1"}',
    'device_add {"driver":"virtio-net-pci","id":"nic2","netdev":"nic2","mac":"02:00:00:00:00:01","host_mtu":1400,"romfile":"","mq":true,"vectors":6,"bus":"rp0"}',
  ])
  await expect(plug({ ...nic, id: 'nic3' })).rejects.toThrow('[VMM_NO_FREE_PORT]')
})

test('a card that is refused leaves nothing, its port neither', async () => {
  const { calls, plug } = machine('device_add')
  await expect(plug(nic)).rejects.toThrow('device_add failed')
  expect(calls.slice(-2)).toEqual(['closefd {"fdname":"tap-nic2-0"}', 'netdev_del {"id":"nic2"}'])
  await expect(plug(nic)).rejects.toThrow('device_add failed')
})
