import { describe, expect, test } from 'bun:test'
import { RootPorts } from '../settings/root-ports.ts'
import { Unplugs } from './unplug.ts'
import { QemuVfio } from './vfio.ts'

const device = (id: string, fd: number, iommu = 40) => ({ id, name: `0000:${id}`, fd, iommu })

/** A QEMU that answers everything but `failing`. */
function fake({ ports = 4, failing = '', guestIsSlow = false } = {}) {
  const sent: string[] = []
  const execute = async (command: string, args: object, fds: readonly number[] = []) => {
    sent.push([command, JSON.stringify(args), ...fds].join(' '))
    if (command === failing) throw new Error('refused')
    if (command === 'device_del' && !guestIsSlow) setTimeout(() => letGo((args as { id: string }).id))
  }
  const unplugs = guestIsSlow ? new Unplugs(execute, 1) : new Unplugs(execute)
  const letGo = (id: string) => unplugs.event('DEVICE_DELETED', { device: id })
  return { letGo, vfio: new QemuVfio(execute, new RootPorts(ports), unplugs), sent }
}

test('devices from the start are where the command line has put them, with the address space', async () => {
  const { vfio, sent } = fake()
  vfio.atStart([])
  expect(vfio.hasIommu).toBe(false)
  vfio.atStart([device('vfio-a', 50), device('vfio-b', 51, 41)])
  expect(vfio.hasIommu).toBe(true)
  expect(['vfio-a', 'vfio-b', 'vfio-c'].map((id) => vfio.pathOf(id))).toEqual(['0f/00', '10/00', undefined])
  expect(await vfio.plug(device('vfio-c', 52))).toBe('11/00')
  expect(sent.filter((line) => line.startsWith('object-add'))).toEqual([])
})

describe('while it runs', () => {
  test('the address space comes with the first device only', async () => {
    const { vfio, sent } = fake()
    expect(await vfio.plug(device('vfio-a', 50))).toBe('0f/00')
    expect(await vfio.plug(device('vfio-b', 51, 41))).toBe('10/00')
    expect(sent).toEqual([
      'getfd {"fdname":"iommu"} 40',
      'object-add {"qom-type":"iommufd","id":"iommu","fd":"iommu"}',
      'getfd {"fdname":"vfio-a"} 50',
      'device_add {"driver":"vfio-pci","id":"vfio-a","iommufd":"iommu","fd":"vfio-a","bus":"rp0"}',
      'getfd {"fdname":"vfio-b"} 51',
      'device_add {"driver":"vfio-pci","id":"vfio-b","iommufd":"iommu","fd":"vfio-b","bus":"rp1"}',
    ])
  })

  test('its port is free again once it is gone', async () => {
    const { vfio, sent } = fake({ ports: 1 })
    await vfio.plug(device('vfio-a', 50))
    await expect(vfio.plug(device('vfio-b', 51))).rejects.toThrow('[VMM_NO_FREE_PORT]')
    await vfio.unplug('vfio-a')
    await vfio.unplug('vfio-a')
    expect(sent.filter((line) => line.startsWith('device_del'))).toHaveLength(1)
    expect(await vfio.plug(device('vfio-b', 51))).toBe('0f/00')
  })

  test('its port is free again once the guest has let go of it after its time, and not before', async () => {
    const { vfio, sent, letGo } = fake({ ports: 1, guestIsSlow: true })
    await vfio.plug(device('vfio-a', 50))
    await expect(vfio.unplug('vfio-a')).rejects.toThrow('[VMM_UNPLUG_REFUSED]')
    await expect(vfio.plug(device('vfio-b', 51))).rejects.toThrow('[VMM_NO_FREE_PORT]')
    letGo('vfio-a')
    expect(await vfio.plug(device('vfio-b', 51))).toBe('0f/00')
    await vfio.unplug('vfio-a')
    expect(vfio.pathOf('vfio-a')).toBeUndefined()
    expect(sent.filter((line) => line.startsWith('device_del'))).toHaveLength(1)
  })

  test.each(['device_add', 'object-add'])(
    'a refused %s leaves neither descriptor nor port',
    async (failing) => {
      const { vfio, sent } = fake({ ports: 1, failing })
      for (let round = 0; round < 2; round++)
        await expect(vfio.plug(device('vfio-a', 50))).rejects.toThrow('refused')
      expect(vfio.pathOf('vfio-a')).toBeUndefined()
      const closed = failing === 'device_add' ? 'vfio-a' : 'iommu'
      expect(sent.filter((line) => line.startsWith(`closefd {"fdname":"${closed}"}`))).toHaveLength(2)
    },
  )
})
