/** What is said to the VMM, and when; the real thing is e2e/clh.test.ts. */
import { expect, test } from 'bun:test'
import { KataError } from '../../../errors.ts'
import { clocksThatRush } from '../../../time.double.ts'
import { DiskNodes } from '../../host/disk-nodes.ts'
import type { CallOptions } from '../../http/api.ts'
import type { DiskAttachment } from '../../machine/disk.ts'
import type { RateLimiter } from '../../machine/disk-limit.ts'
import { Disks } from './disks.ts'
import { Resizer } from './resize.ts'

const mebibyte = 1024 * 1024
const disk: DiskAttachment = {
  id: 'd1',
  name: 'disk /dev/sdb',
  fd: 7,
  kind: 'block',
  bus: 'virtio-blk',
  readonly: true,
  direct: true,
}

/** Nodes that are only told of. */
class ToldNodes extends DiskNodes {
  constructor() {
    super({ pid: 1, uid: 1, directory: '/disks' })
  }
  override during<T>({ id }: { id: string }, use: (path: string) => Promise<T>): Promise<T> {
    return use(`/disks/${id}`)
  }
  override resize(): void {}
}

/** A VMM with these devices, which are gone one look after their removal. */
function vmm(devices: Record<string, object>, answer?: object) {
  const said: [string, CallOptions][] = []
  const removed = new Set<string>()
  const put = async (command: string, options: CallOptions = {}) => {
    said.push([command, options])
    if (command === 'vm.remove-device') removed.add((options.body as { id: string }).id)
    return command === 'vm.add-disk' ? answer : undefined
  }
  let looks = 0
  const info = async () => {
    if (removed.size > 0 && looks++ > 0) for (const id of removed) delete devices[id]
    return { device_tree: devices }
  }
  const make = (limit?: RateLimiter) => new Disks({ put, info }, new ToldNodes(), limit)
  return { said, put, info, make, disks: make() }
}

test('a disk is plugged by its node, and gone when nothing tells of it any more', async () => {
  const { disks, said } = vmm({ d1: { pci_bdf: '0000:00:06.0' } }, { id: 'd1', bdf: '0000:00:06.0' })
  expect(await disks.plug(disk)).toEqual({ driver: 'blk', pciPath: '06' })
  const body = { id: 'd1', path: '/disks/d1', readonly: true, direct: true, image_type: 'Raw' }
  expect(said).toEqual([['vm.add-disk', { body }]])
  await disks.unplug('d1')
  await disks.unplug('d1')
  expect(said.slice(1)).toEqual([['vm.remove-device', { body: { id: 'd1' } }]])
})

test('a disk that has grown is told to the guest, with its size', async () => {
  const { disks, said } = vmm({}, { bdf: '0000:00:06.0' })
  await expect(disks.resize('d1', 4096)).rejects.toThrow(/^\[VMM_OPTION_INVALID\].*no disk "d1"/)
  await disks.plug(disk)
  await disks.resize('d1', 4096)
  expect(said.slice(1)).toEqual([['vm.resize-disk', { body: { id: 'd1', desired_size: 4096 } }]])
})

test('every disk has the limit, at boot and later', async () => {
  const limiter = { bandwidth: { size: 1e6, refill_time: 1000, one_time_burst: 5 } }
  const { make, said } = vmm({ d1: { pci_bdf: '0000:00:06.0' } }, { id: 'd2', bdf: '0000:00:07.0' })
  const disks = make(limiter)
  await disks.boot(disk, async () => {})
  await disks.plug({ ...disk, id: 'd2' })
  expect(said).toHaveLength(2)
  for (const [, { body }] of said) expect(body).toMatchObject({ rate_limiter_config: limiter })
})

test('the root disk is there before the machine boots, and is never taken out', async () => {
  const { disks, said } = vmm({})
  await disks.boot(disk, async () => void said.push(['boot', {}]))
  await disks.unplug('d1')
  const body = { id: 'd1', path: '/disks/d1', readonly: true, direct: true, image_type: 'Raw' }
  expect(said).toEqual([
    ['vm.add-disk', { body }],
    ['boot', {}],
  ])
})

test.each([
  ['an answer without an address', { id: 'd1' }, disk, 'bdf is not text'],
  ['an address on another bus', { bdf: '0000:01:06.0' }, disk, 'an address'],
  [
    'a disk on a bus that it does not make',
    {},
    { ...disk, bus: 'virtio-scsi' as const },
    '[VMM_OPTION_INVALID]',
  ],
])('%s is refused', async (_, answer, wrong, says) => {
  await expect(vmm({}, answer).disks.plug(wrong)).rejects.toThrow(says)
})

test('an id that is no file name makes no node', async () => {
  const nodes = new DiskNodes({ pid: process.pid, uid: 0, directory: '/disks' })
  for (const id of ['', '../x', 'a/b', 'x'.repeat(65)])
    await expect(nodes.during({ ...disk, id }, async () => {})).rejects.toThrow('[VMM_OPTION_INVALID]')
})

test('a machine grows by whole blocks, within its bounds, and never shrinks', async () => {
  const { said, put } = vmm({})
  const sizes = {
    cpus: { boot_vcpus: 1, max_vcpus: 4, nested: false },
    memory: { size: 256 * mebibyte, shared: true },
  } as const
  const grows = { ...sizes, memory: { ...sizes.memory, hotplug_size: 512 * mebibyte } }
  const resizer = new Resizer(put, grows, async () => undefined)
  expect(await resizer.resize({ vcpus: 1.5, memoryMiB: 300 })).toEqual({ vcpus: 2, memoryMiB: 384 })
  expect(await resizer.resize({ vcpus: 1, memoryMiB: 256 })).toEqual({ vcpus: 2, memoryMiB: 384 })
  expect(await resizer.resize({ vcpus: 99, memoryMiB: 99_999 })).toEqual({ vcpus: 4, memoryMiB: 768 })
  expect(said.map(([, { body }]) => body)).toEqual([
    { desired_ram: 384 * mebibyte },
    { desired_vcpus: 2 },
    { desired_ram: 768 * mebibyte },
    { desired_vcpus: 4 },
  ])
  const fixed = new Resizer(put, sizes, async () => undefined)
  expect(await fixed.resize({ vcpus: 1, memoryMiB: 512 })).toEqual({ vcpus: 1, memoryMiB: 256 })
})

/** A VMM as release 53.0 is, whose guest takes its time. A stubborn VMM removes nothing. */
function slowGuest({ isStubborn = false } = {}) {
  const config: { id: string }[] = []
  const tree = new Set<string>()
  const said: string[] = []
  const refuse = (reason: string) => {
    throw new KataError('VMM_COMMAND_FAILED', { command: 'vm.remove-device', reason })
  }
  const put = async (command: string, { body }: CallOptions = {}) => {
    const { id } = body as { id: string }
    said.push(`${command} ${id}`)
    const at = config.findIndex((disk) => disk.id === id)
    if (command === 'vm.add-disk') {
      if (tree.has(id)) refuse(`Failed to validate config: Identifier ${id} is not unique`)
      config.push({ id })
      tree.add(id)
      return { id, bdf: '0000:00:04.0' }
    }
    if (isStubborn) refuse('it is busy')
    if (at < 0) refuse(`Failed to find device corresponding to the given identifier: ${id}`)
    config.splice(at, 1)
    return undefined
  }
  const info = async () => ({
    config: { disks: config },
    device_tree: Object.fromEntries([...tree].map((id) => [id, { id, children: [] }])),
  })
  const disks = new Disks({ put, info }, new ToldNodes())
  return { said, disks, letGo: () => tree.clear() }
}

async function unplugInVain(disks: Disks): Promise<void> {
  using _rush = clocksThatRush()
  await expect(disks.unplug('d1')).rejects.toThrow(/^\[VMM_COMMAND_TIMEOUT\].*the removal of d1/)
}

test('a disk that the guest lets go of later is gone by the next removal', async () => {
  const { disks, said, letGo } = slowGuest()
  await disks.plug(disk)
  await unplugInVain(disks)
  // It is refused as on its way, and is waited for.
  await unplugInVain(disks)
  letGo()
  await disks.unplug('d1')
  await disks.unplug('d1')
  expect(said).toEqual(['vm.add-disk d1', ...Array(3).fill('vm.remove-device d1')])
})

test('a disk takes no id of one that is on its way out, but waits for its end', async () => {
  const { disks, letGo } = slowGuest()
  await disks.plug(disk)
  await unplugInVain(disks)
  {
    using _rush = clocksThatRush()
    await expect(disks.plug(disk)).rejects.toThrow('[VMM_COMMAND_TIMEOUT]')
  }
  letGo()
  expect(await disks.plug(disk)).toEqual({ driver: 'blk', pciPath: '04' })
  letGo()
  await disks.unplug('d1')
})

test('a removal that is refused while the machine is to have the disk fails', async () => {
  const { disks } = slowGuest({ isStubborn: true })
  await disks.plug(disk)
  await expect(disks.unplug('d1')).rejects.toThrow(/^\[VMM_COMMAND_FAILED\].*it is busy/)
  // It is not on its way: the VMM has the id.
  await expect(disks.plug(disk)).rejects.toThrow('Identifier d1 is not unique')
})

test('memory is promised before the machine grows, and given up only when the VMM refuses', async () => {
  const events: string[] = []
  let trouble: KataError | undefined
  const put = async (_: string, { body }: CallOptions = {}) => {
    events.push(JSON.stringify(body))
    if (trouble !== undefined) throw trouble
  }
  const promise = async (memoryMiB: number) => {
    if (memoryMiB > 256)
      throw new KataError('VMM_NO_HUGEPAGES', { memoryMiB, needed: 192, free: 128, pageKiB: 2048 })
    events.push(`promised ${memoryMiB}`)
    return async () => void events.push(`given up ${memoryMiB}`)
  }
  const resizer = new Resizer(
    put,
    {
      cpus: { boot_vcpus: 1, max_vcpus: 1, nested: false },
      memory: { size: 256 * mebibyte, shared: true, hotplug_size: 1024 * mebibyte },
    },
    promise,
  )
  const to = async (memoryMiB: number) => {
    events.length = 0
    const size = await resizer.resize({ vcpus: 1, memoryMiB }).catch((error: KataError) => error.code)
    return [typeof size === 'string' ? size : size.memoryMiB, ...events]
  }
  const ask = (memoryMiB: number) => JSON.stringify({ desired_ram: memoryMiB * mebibyte })
  // Pages that are not there: the VMM is not asked.
  expect(await to(640)).toEqual(['VMM_NO_HUGEPAGES'])
  trouble = new KataError('VMM_COMMAND_FAILED', { command: 'vm.resize', reason: 'no slot' })
  expect(await to(384)).toEqual(['VMM_COMMAND_FAILED', 'promised 128', ask(384), 'given up 128'])
  // It may have grown: the promise stays, and is not made again.
  trouble = new KataError('VMM_COMMAND_TIMEOUT', { command: 'vm.resize', seconds: 10 })
  expect(await to(384)).toEqual(['VMM_COMMAND_TIMEOUT', 'promised 128', ask(384)])
  trouble = undefined
  expect(await to(384)).toEqual([384, ask(384)])
  expect(await to(512)).toEqual([512, 'promised 128', ask(512)])
  expect(await to(512)).toEqual([512])
})
