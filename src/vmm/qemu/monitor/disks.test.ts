import { describe, expect, test } from 'bun:test'
import type { DiskAttachment } from '../../machine/disk.ts'
import { noDiskLimits } from '../../machine/disk-limit.double.ts'
import type { DiskConfig } from '../settings/disk-settings.ts'
import { RootPorts } from '../settings/root-ports.ts'
import { QemuDisks } from './disks.ts'
import { Unplugs } from './unplug.ts'

const config: DiskConfig = {
  ...noDiskLimits,
  blockDeviceAio: 'io_uring',
  blockDeviceCacheSet: false,
  blockDeviceCacheDirect: false,
  blockDeviceCacheNoflush: false,
} as DiskConfig
const disk: DiskAttachment = {
  id: 'disk1',
  name: 'disk /dev/sdb',
  fd: 7,
  kind: 'block',
  bus: 'virtio-blk',
  readonly: false,
  direct: false,
}

/** A QEMU that obeys; the command named in `failing` fails. */
function fakeQemu(more: Partial<DiskConfig> = {}) {
  const said: [string, object, readonly number[]][] = []
  const state = { failing: '', guestIsSlow: false }
  const execute = async (command: string, args: object, fds: readonly number[] = []) => {
    said.push([command, args, fds])
    if (command === state.failing) throw new Error(`${command} failed`)
    const { id } = args as { id: string }
    if (command === 'device_del' && !state.guestIsSlow) queueMicrotask(() => letGo(id))
    return command === 'add-fd' ? { 'fdset-id': 3, fd: 20 } : {}
  }
  const unplugs = new Unplugs(execute, 1)
  const letGo = (id: string) => unplugs.event('DEVICE_DELETED', { device: id })
  const ports = new RootPorts(2)
  const disks = new QemuDisks({ execute, ports, unplugs, config: { ...config, ...more } })
  return { disks, state, ports, said, letGo, commands: () => said.splice(0).map(([command]) => command) }
}

test('a disk that has grown is told to the guest, and one that is not there is refused', async () => {
  const { disks, said } = fakeQemu()
  await expect(disks.resize('disk1', 4096)).rejects.toThrow(/^\[VMM_OPTION_INVALID\].*no disk "disk1"/)
  await disks.plug(disk)
  said.length = 0
  await disks.resize('disk1', 4096)
  expect(said).toEqual([['block_resize', { 'node-name': 'disk1', size: 4096 }, []]])
})

describe('plugging', () => {
  test('hands the descriptor over, makes a block node of its set and a device of that', async () => {
    const { disks, said } = fakeQemu()
    expect(await disks.plug(disk)).toEqual({ driver: 'blk', pciPath: '0f/00' })
    const node = {
      driver: 'host_device',
      'node-name': 'disk1',
      filename: '/dev/fdset/3',
      'read-only': false,
      aio: 'threads',
      'drop-cache': false,
      cache: { direct: false, 'no-flush': false },
      discard: 'unmap',
    }
    expect(said).toEqual([
      ['add-fd', {}, [7]],
      ['blockdev-add', node, []],
      ['device_add', { driver: 'virtio-blk-pci', bus: 'rp0', id: 'disk1', drive: 'disk1' }, []],
    ])
  })

  test('opens an image as a file, and flushes nothing where the configuration says so', async () => {
    const { disks, said } = fakeQemu({ blockDeviceCacheSet: true, blockDeviceCacheNoflush: true })
    await disks.plug({ ...disk, kind: 'file', readonly: true })
    expect(said[1]![1]).toMatchObject({
      driver: 'file',
      'read-only': true,
      cache: { direct: false, 'no-flush': true },
    })
  })

  test('puts a filter on top for a limit of bytes and operations, and takes it away with the disk', async () => {
    const limits = { diskRateLimiterBwMaxRate: 8e6, diskRateLimiterOpsMaxRate: 100 }
    const { disks, said, commands } = fakeQemu(limits)
    await disks.plug({ ...disk, readonly: true })
    const common = { 'read-only': true, cache: { direct: false, 'no-flush': false }, discard: 'unmap' }
    expect(said.slice(1, 3).map(([command, args]) => [command, args])).toEqual([
      [
        'object-add',
        {
          'qom-type': 'throttle-group',
          id: 'limit-disk1',
          limits: { 'bps-total': 1e6, 'iops-total': 100 },
        },
      ],
      [
        'blockdev-add',
        {
          driver: 'throttle',
          'node-name': 'disk1',
          'throttle-group': 'limit-disk1',
          ...common,
          file: {
            driver: 'host_device',
            filename: '/dev/fdset/3',
            aio: 'threads',
            'drop-cache': false,
            ...common,
          },
        },
      ],
    ])
    commands()
    await disks.unplug('disk1')
    expect(commands()).toEqual(['device_del', 'blockdev-del', 'object-del', 'remove-fd'])
  })

  test('leaves no limit behind when it fails', async () => {
    const { disks, state, commands } = fakeQemu({ diskRateLimiterOpsMaxRate: 1 })
    state.failing = 'device_add'
    await expect(disks.plug(disk)).rejects.toThrow('device_add')
    const undone = ['blockdev-del', 'object-del', 'remove-fd']
    expect(commands()).toEqual(['add-fd', 'object-add', 'blockdev-add', 'device_add', ...undone])
  })

  test('uses the kernel’s asynchronous I/O past the page cache, and never its rings', async () => {
    const aio = async (more: Partial<DiskConfig>, direct: boolean) => {
      const { disks, said } = fakeQemu(more)
      await disks.plug({ ...disk, direct })
      return (said[1]![1] as { aio: string }).aio
    }
    expect(await aio({}, true)).toBe('native')
    expect(await aio({ blockDeviceAio: 'native' }, false)).toBe('threads')
    expect(await aio({ blockDeviceAio: 'threads' }, true)).toBe('threads')
  })

  test('puts SCSI disks on one controller, 256 on a target', async () => {
    const { disks, commands } = fakeQemu()
    const plug = (id: string) => disks.plug({ ...disk, id, bus: 'virtio-scsi' })
    expect(await plug('a')).toEqual({ driver: 'scsi', address: '0:0' })
    expect(commands()).toEqual(['device_add', 'add-fd', 'blockdev-add', 'device_add'])
    for (let index = 1; index < 256; index++) await plug(`a${index}`)
    expect(await plug('b')).toEqual({ driver: 'scsi', address: '1:0' })
    await disks.unplug('a7')
    expect(await plug('c')).toEqual({ driver: 'scsi', address: '0:7' })
  })

  test.each([
    ['add-fd', ['add-fd']],
    ['blockdev-add', ['add-fd', 'blockdev-add', 'remove-fd']],
    ['device_add', ['add-fd', 'blockdev-add', 'device_add', 'blockdev-del', 'remove-fd']],
  ])('that fails at %s is undone', async (failing, expected) => {
    const { disks, state, commands, ports } = fakeQemu()
    state.failing = failing
    await expect(disks.plug(disk)).rejects.toThrow(failing)
    expect(commands()).toEqual(expected)
    expect(ports.take('another')).toBe(0)
  })

  test('refuses an id that is none of QEMU’s, or that another disk has', async () => {
    const { disks, commands } = fakeQemu()
    await disks.plug(disk)
    commands()
    for (const id of ['a,b', '', 'disk1'])
      await expect(disks.plug({ ...disk, id })).rejects.toThrow('[VMM_OPTION_INVALID]')
    expect(commands()).toEqual([])
  })

  test('refuses more than there are ports for, with the device’s name', async () => {
    const { disks, commands } = fakeQemu()
    await disks.plug({ ...disk, id: 'a' })
    await disks.plug({ ...disk, id: 'b' })
    commands()
    await expect(disks.plug(disk)).rejects.toThrow(/^\[VMM_NO_FREE_PORT\].*disk \/dev\/sdb/)
    expect(commands()).toEqual([])
  })
})

describe('unplugging', () => {
  test('takes device, node and descriptor, and goes on where an earlier try stopped', async () => {
    const { disks, state, commands, ports } = fakeQemu()
    await disks.plug(disk)
    commands()
    state.failing = 'blockdev-del'
    await expect(disks.unplug('disk1')).rejects.toThrow('blockdev-del')
    state.failing = ''
    await disks.unplug('disk1')
    expect(commands()).toEqual(['device_del', 'blockdev-del', 'blockdev-del', 'remove-fd'])
    expect(ports.take('another')).toBe(0)
    await disks.unplug('disk1')
    expect(commands()).toEqual([])
  })

  test('goes on once the guest has let go of it after its time', async () => {
    const { disks, state, commands, letGo, ports } = fakeQemu()
    await disks.plug(disk)
    state.guestIsSlow = true
    await expect(disks.unplug('disk1')).rejects.toThrow('[VMM_UNPLUG_REFUSED]')
    commands()
    letGo('disk1')
    await disks.unplug('disk1')
    expect(commands()).toEqual(['blockdev-del', 'remove-fd'])
    expect(ports.take('another')).toBe(0)
  })

  test('is over before the next disk comes, once the guest has let go of it; and not before that', async () => {
    const { disks, state, commands, letGo } = fakeQemu()
    await disks.plug(disk)
    await disks.plug({ ...disk, id: 'disk2' })
    state.guestIsSlow = true
    await expect(disks.unplug('disk1')).rejects.toThrow('[VMM_UNPLUG_REFUSED]')
    commands()
    await expect(disks.plug(disk)).rejects.toThrow('[VMM_OPTION_INVALID]')
    await expect(disks.plug({ ...disk, id: 'disk3' })).rejects.toThrow('[VMM_NO_FREE_PORT]')
    expect(commands()).toEqual([])
    letGo('disk1')
    expect(await disks.plug(disk)).toEqual({ driver: 'blk', pciPath: '0f/00' })
    expect(commands()).toEqual(['blockdev-del', 'remove-fd', 'add-fd', 'blockdev-add', 'device_add'])
  })

  test('that QEMU does not finish keeps no other disk out, and is tried again', async () => {
    const { disks, state, commands, letGo } = fakeQemu()
    await disks.plug(disk)
    state.guestIsSlow = true
    await expect(disks.unplug('disk1')).rejects.toThrow('[VMM_UNPLUG_REFUSED]')
    letGo('disk1')
    state.failing = 'blockdev-del'
    await disks.plug({ ...disk, id: 'disk2' })
    commands()
    state.failing = ''
    await disks.unplug('disk1')
    expect(commands()).toEqual(['blockdev-del', 'remove-fd'])
  })
})
