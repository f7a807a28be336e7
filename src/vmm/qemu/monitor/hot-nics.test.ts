import { describe, expect, test } from 'bun:test'
import { RootPorts } from '../settings/root-ports.ts'
import { HotNics } from './hot-nics.ts'
import { Unplugs } from './unplug.ts'

const nic = { id: 'nic2', mac: '02:00:00:00:00:01', mtu: 1400, taps: [40] }
const many = { ...nic, taps: [40, 41], vhosts: [42, 43] }

describe('a card that comes later', () => {
  function machine(fails?: string) {
    const calls: string[] = []
    const execute = async (command: string, args: object, fds: readonly number[] = []) => {
      calls.push(`${command} ${JSON.stringify(args)}${fds.length > 0 ? ` fd ${fds}` : ''}`)
      if (command === fails) throw new Error(`${command} failed`)
      if (command === 'device_del') unplugs.event('DEVICE_DELETED', { device: 'nic2' })
    }
    const unplugs: Unplugs = new Unplugs(execute)
    return { calls, nics: new HotNics(execute, new RootPorts(1), unplugs) }
  }

  test('comes on a root port and frees it when it goes', async () => {
    const { calls, nics } = machine()
    for (let round = 0; round < 2; round++) {
      calls.length = 0
      await nics.plug(many)
      await nics.unplug('nic2')
      expect(calls).toEqual([
        'getfd {"fdname":"tap-nic2-0"} fd 40',
        'getfd {"fdname":"tap-nic2-1"} fd 41',
        'getfd {"fdname":"vhost-nic2-0"} fd 42',
        'getfd {"fdname":"vhost-nic2-1"} fd 43',
        'netdev_add {"type":"tap","id":"nic2","fds":"tap-nic2-0:tap-nic2-1","vhost":true,"vhostfds":"vhost-nic2-0:vhost-nic2-1"}',
        'device_add {"driver":"virtio-net-pci","id":"nic2","netdev":"nic2","mac":"02:00:00:00:00:01","host_mtu":1400,"romfile":"","mq":true,"vectors":6,"bus":"rp0"}',
        'device_del {"id":"nic2"}',
        'netdev_del {"id":"nic2"}',
      ])
    }
  })

  test('one that is refused leaves nothing, its port neither', async () => {
    const { calls, nics } = machine('device_add')
    await expect(nics.plug(nic)).rejects.toThrow('device_add failed')
    expect(calls.slice(-2)).toEqual(['closefd {"fdname":"tap-nic2-0"}', 'netdev_del {"id":"nic2"}'])
    await expect(nics.plug(nic)).rejects.toThrow('device_add failed')
  })

  test('one that was never plugged in cannot be taken out', async () => {
    await expect(machine().nics.unplug('nic2')).rejects.toThrow('no card nic2 was plugged in')
  })
})
