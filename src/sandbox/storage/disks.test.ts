import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import type { HostDisk } from '../../devices/host-disk.ts'
import { KataError } from '../../errors.ts'
import { Ledger } from '../../ledger/ledger.ts'
import { silentLogger } from '../../log.ts'
import type { DiskAttachment } from '../../vmm/machine/disk.ts'
import { Disks, diskResource } from './disks.ts'

const rw = { readonly: false, direct: false }
const ro = { readonly: true, direct: false }
let dir: string
let ledger: Ledger
let machine: Map<string, DiskAttachment>
let refuse: string | undefined
let disks: Disks
let opened: number[]
let sizes: Map<string, number>

beforeEach(() => {
  dir = mkdtempSync('/tmp/disks-')
  ledger = new Ledger(`${dir}/ledger`, [diskResource], silentLogger)
  machine = new Map()
  opened = []
  sizes = new Map()
  refuse = undefined
  const vmm = {
    async plugDisk(disk: DiskAttachment) {
      if (refuse !== undefined) throw new KataError('VMM_COMMAND_FAILED', { command: 'x', reason: refuse })
      fstatSync(disk.fd)
      machine.set(disk.id, disk)
      return { driver: 'scsi', address: `0:${machine.size}` } as const
    },
    async resizeDisk(id: string, bytes: number) {
      sizes.set(id, bytes)
    },
    async unplugDisk(id: string) {
      if (refuse !== undefined) throw new KataError('VMM_UNPLUG_REFUSED', { device: id, reason: refuse })
      machine.delete(id)
    },
  }
  disks = new Disks({ vmm, ledger, bus: 'virtio-scsi' })
})
afterEach(() => {
  rmSync(dir, { recursive: true })
  for (const fd of opened) expect(() => fstatSync(fd)).toThrow('EBADF')
})

const disk = (key: string, bytes = 4096): HostDisk => ({
  size: () => bytes,
  name: `/dev/${key}`,
  key,
  kind: 'block',
  open() {
    const fd = openSync('/dev/null', 'r')
    opened.push(fd)
    return fd
  },
  [Symbol.dispose]() {},
})

test('what the guest has not written yet counts for disks that outlive the machine', async () => {
  await disks.attach('c', disk('layer'), ro)
  await disks.attach('c', disk('scratch'), { ...rw, isScratch: true })
  expect(disks.areWritten).toBe(false)
  expect([...machine.values()].map((plugged) => 'isScratch' in plugged)).toEqual([false, false])
  await disks.attach('d', disk('volume'), rw)
  expect(disks.areWritten).toBe(true)
  await disks.detach('d')
  expect(disks.areWritten).toBe(false)
})

describe('a disk', () => {
  test('is plugged in once for several containers, and goes with the last', async () => {
    const first = await disks.attach('a', disk('sdb'), rw)
    const second = await disks.attach('b', disk('sdb'), ro)
    expect([first.isNew, second.isNew]).toEqual([true, false])
    expect(second.address).toEqual(first.address)
    expect(ledger.dataOf(diskResource)).toEqual([{ id: 'disk1', name: '/dev/sdb' }])
    await disks.detach('a')
    expect(machine.size).toBe(1)
    await disks.detach('b')
    expect({ size: machine.size, held: ledger.held }).toEqual({ size: 0, held: [] })
  })

  test('that is only read is not the one to write', async () => {
    await disks.attach('a', disk('sdb'), ro)
    await disks.attach('b', disk('sdb'), rw)
    expect([...machine.values()].map(({ readonly }) => readonly)).toEqual([true, false])
  })

  test('wanted by two at once is plugged in once', async () => {
    await Promise.all([disks.attach('a', disk('sdb'), rw), disks.attach('b', disk('sdb'), rw)])
    expect(machine.size).toBe(1)
  })

  test('that the VMM refuses is not held, and the reason is told with its name', async () => {
    refuse = 'Failed to get "write" lock'
    await expect(disks.attach('a', disk('sdb'), rw)).rejects.toThrow(
      '[DEVICE_PLUG_FAILED] device /dev/sdb of container a cannot be handed to the virtual machine: Failed to get',
    )
    expect(ledger.held).toEqual([])
    await disks.detach('a')
  })

  test('that does not go stays held, and a second try takes it out', async () => {
    await disks.attach('a', disk('sdb'), rw)
    refuse = 'its guest refuses'
    await expect(disks.detach('a')).rejects.toThrow('[VMM_UNPLUG_REFUSED]')
    expect(ledger.held).toEqual(['disk'])
    refuse = undefined
    await disks.detach('a')
    expect(ledger.held).toEqual([])
  })

  test('that is only read comes a second time while its removal is stuck', async () => {
    await disks.attach('a', disk('sdb'), ro)
    refuse = 'its guest did not let go of it'
    await expect(disks.detach('a')).rejects.toThrow('[VMM_UNPLUG_REFUSED]')
    refuse = undefined
    expect(await disks.attach('b', disk('sdb'), ro)).toMatchObject({ id: 'disk2', isNew: true })
    expect([...machine.keys()]).toEqual(['disk1', 'disk2'])
    await disks.detach('a')
    expect([...machine.keys()]).toEqual(['disk2'])
    await disks.detach('b')
    expect(ledger.held).toEqual([])
  })

  test('whose removal failed is for nobody else until it is out, and then comes anew', async () => {
    await disks.attach('a', disk('sdb'), rw)
    refuse = 'its guest did not let go of it'
    await expect(disks.detach('a')).rejects.toThrow('[VMM_UNPLUG_REFUSED]')
    await expect(disks.attach('b', disk('sdb'), rw)).rejects.toThrow('[VMM_UNPLUG_REFUSED]')
    expect([...machine.keys()]).toEqual(['disk1'])
    refuse = undefined
    expect(await disks.attach('b', disk('sdb'), ro)).toMatchObject({ id: 'disk2', isNew: true })
    expect([...machine.keys()]).toEqual(['disk2'])
    await disks.detach('a')
    expect(ledger.dataOf(diskResource)).toEqual([{ id: 'disk2', name: '/dev/sdb' }])
    await disks.detach('b')
    expect({ size: machine.size, held: ledger.held }).toEqual({ size: 0, held: [] })
  })
})

test('disks that a container wrote to stay while its guest has not let go of them, and go with another removal', async () => {
  await disks.attach('a', disk('volume'), rw)
  await disks.attach('a', disk('layer'), ro)
  await disks.attach('a', disk('scratch'), { ...rw, isScratch: true })
  expect(await disks.detach('a', { isHeld: true })).toEqual(['/dev/volume'])
  expect([...machine.values()].map(({ name }) => name)).toEqual(['/dev/volume'])
  expect(disks.areWritten).toBe(true)
  expect(ledger.dataOf(diskResource)).toEqual([{ id: 'disk1', name: '/dev/volume' }])
  expect(await disks.detach('a')).toEqual([])
  expect({ size: machine.size, held: ledger.held }).toEqual({ size: 0, held: [] })
})

describe('a disk that has grown on the host', () => {
  const grow = (bytes: number, there: number, key = 'sdb') =>
    disks.grow('disk1', { volume: '/v', disk: disk(key, there), bytes })

  test('has its whole size in the machine, even if less was asked for', async () => {
    await disks.attach('a', disk('sdb'), rw)
    await grow(8192, 16_384)
    await grow(8192, 16_384)
    expect([...sizes]).toEqual([['disk1', 16_384]])
    await expect(grow(4096, 16_384)).rejects.toThrow('does not shrink')
  })

  test.each([
    ['that is not as large', 8192, 4608, 'sdb', '/dev/sdb has 4608'],
    ['of no whole sectors', 8192, 8200, 'sdb', 'multiple of 512'],
    ['with less than before', 512, 4096, 'sdb', 'does not shrink'],
    ['that is another one', 8192, 8192, 'sdc', 'another disk'],
  ])('%s is refused', async (_what, bytes, there, key, reason) => {
    await disks.attach('a', disk('sdb'), rw)
    await expect(grow(bytes, there, key)).rejects.toThrow(new RegExp(`^\\[DIRECT_VOLUME_SIZE\\].*${reason}`))
    expect(sizes.size).toBe(0)
  })

  test('that is only read, or gone, is refused', async () => {
    await disks.attach('a', disk('sdb'), ro)
    await expect(grow(8192, 8192)).rejects.toThrow('only read')
    await disks.detach('a')
    await expect(grow(8192, 8192)).rejects.toThrow('[DIRECT_VOLUME_UNUSED]')
  })
})
