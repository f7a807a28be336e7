/** Memory that a machine gets while it runs, and a guest or a QEMU that does not give it. */
import { expect, test } from 'bun:test'
import { clocksThatRush } from '../../../time.double.ts'
import { requireHugePages } from '../../host/huge-pages.ts'
import { MachineResizer, type ResizeOptions } from './resize.ts'
import { Unplugs } from './unplug.ts'

const spec = { memoryMiB: 256, maxMemoryMiB: 1024, vcpus: 1, accelerator: 'kvm' } as ResizeOptions['spec']
const settings = {
  memorySlots: 1,
  enableVirtioMem: false,
  enableHugepages: false,
  hostMemoryMiB: 4096,
  hostCpus: 1,
}

/** A QEMU whose guest answers a new DIMM with `status`, and whose virtio-mem stays as small as it is. */
function resizer(status: number, changed: Partial<typeof settings> = {}) {
  const commands: string[] = []
  const execute = async (command: string, args: { id?: string } = {}) => {
    commands.push(`${command} ${args.id ?? ''}`.trim())
    const info = { device: args.id, status }
    if (command === 'device_add')
      queueMicrotask(() => machine.event({ name: 'ACPI_DEVICE_OST', data: { info } }))
    return command === 'qom-get' ? 0 : {}
  }
  const machine = new MachineResizer({
    spec,
    execute,
    unplugs: new Unplugs(execute),
    requireHugePages,
    settings: { ...settings, ...changed } as ResizeOptions['settings'],
  })
  return { machine, commands }
}
const wanted = (memoryMiB: number) => ({ memoryMiB, vcpus: 1 })

test('a guest that refuses memory is told with its answer, and the module is taken out again', async () => {
  const { machine, commands } = resizer(3)
  await expect(machine.resize(wanted(384))).rejects.toMatchObject({
    code: 'VMM_MEMORY_REFUSED',
    fields: { size: 128, answer: 'answered 3' },
    remedy: expect.stringContaining('default_memory'),
  })
  expect(commands).toEqual(['object-add dimm1-memory', 'device_add dimm1', 'device_del dimm1'])
  expect(machine.memoryMiB).toBe(256)
})

test('a machine without a slot that is left is told with their number', async () => {
  const { machine } = resizer(0)
  expect(await machine.resize(wanted(384))).toEqual({ memoryMiB: 384, vcpus: 1 })
  await expect(machine.resize(wanted(512))).rejects.toMatchObject({
    code: 'VMM_MEMORY_SLOTS',
    fields: { size: 128, slots: 1 },
    remedy: expect.stringContaining('memory_slots'),
  })
  expect(machine.memoryMiB).toBe(384)
})

test.each([false, true])(
  'huge pages that the host has not are not asked for (virtio-mem %p)',
  async (isVirtioMem) => {
    const { machine, commands } = resizer(0, { enableHugepages: true, enableVirtioMem: isVirtioMem })
    await expect(machine.resize(wanted(2 ** 40))).rejects.toMatchObject({
      code: 'VMM_NO_HUGEPAGES',
      fields: { memoryMiB: 2 ** 40 - 256 },
    })
    expect({ commands, memoryMiB: machine.memoryMiB }).toEqual({ commands: [], memoryMiB: 256 })
  },
)

test('a guest that does not take what virtio-mem offers is told with how much it took', async () => {
  const { machine } = resizer(0, { enableVirtioMem: true })
  using _rush = clocksThatRush()
  await expect(machine.resize(wanted(384))).rejects.toMatchObject({
    code: 'VMM_MEMORY_REFUSED',
    fields: { size: 128, answer: 'took 0 MiB within 10 s' },
  })
})

/** A QEMU with virtio-mem whose guest takes what it is asked for up to `mostMiB`; `failing` is the command that fails, from then on. */
function virtioMem(mostMiB: number) {
  const MiB = 1024 * 1024
  const requested: number[] = []
  const qemu = { mostMiB, leastMiB: 0, failing: '' }
  const execute = async (command: string, args: object = {}) => {
    if (command === 'qom-set') requested.push((args as { value: number }).value / MiB)
    if (command === qemu.failing) throw new Error(`${command} failed`)
    return command === 'qom-get'
      ? Math.max(Math.min(requested.at(-1)!, qemu.mostMiB), qemu.leastMiB) * MiB
      : {}
  }
  const machine = new MachineResizer({
    spec,
    execute,
    unplugs: new Unplugs(execute),
    requireHugePages,
    settings: { ...settings, enableVirtioMem: true } as ResizeOptions['settings'],
  })
  return { machine, requested, qemu }
}

test('what the guest refuses of virtio-mem is asked back to what the machine had, and what it takes is not', async () => {
  const { machine, requested } = virtioMem(192)
  expect(await machine.resize(wanted(384))).toEqual({ memoryMiB: 384, vcpus: 1 })
  expect(requested.splice(0)).toEqual([128])
  using _rush = clocksThatRush()
  await expect(machine.resize(wanted(768))).rejects.toMatchObject({ code: 'VMM_MEMORY_REFUSED' })
  expect(requested).toEqual([512, 128])
  expect(machine.memoryMiB).toBe(384)
})

test('what a guest does not give back in time it is not asked for any more', async () => {
  const { machine, requested, qemu } = virtioMem(1024)
  await machine.resize(wanted(768))
  using _rush = clocksThatRush()
  qemu.leastMiB = 300
  expect(await machine.resize(wanted(384))).toEqual({ memoryMiB: 556, vcpus: 1 })
  expect(requested).toEqual([512, 128, 300])
})

test('a QEMU that cannot be asked back hides no refusal, and one that does not tell how far it is gets asked back', async () => {
  const first = virtioMem(0)
  using _rush = clocksThatRush()
  const refused = first.machine.resize(wanted(384))
  first.qemu.failing = 'qom-set'
  await expect(refused).rejects.toMatchObject({ code: 'VMM_MEMORY_REFUSED' })
  expect(first.requested).toEqual([128, 0])
  const second = virtioMem(192)
  second.qemu.failing = 'qom-get'
  await expect(second.machine.resize(wanted(384))).rejects.toThrow('qom-get failed')
  expect(second.requested).toEqual([128, 0])
})

/** A QEMU with three sockets, whose guest gives a processor up only when the test has it do so. */
function processors() {
  const commands: string[] = []
  const present = new Set([0])
  const execute = async (command: string, args: object = {}) => {
    const { id = '', 'socket-id': socket = 0 } = args as { id?: string; 'socket-id'?: number }
    if (command === 'query-hotpluggable-cpus')
      return [2, 1, 0].map((socket) => ({
        type: 'host-x86_64-cpu',
        props: { 'socket-id': socket },
        ...(present.has(socket) ? { 'qom-path': `/machine/${socket}` } : {}),
      }))
    commands.push(`${command} ${id}`)
    if (command === 'device_add') present.add(socket)
    return {}
  }
  const unplugs = new Unplugs(execute, 1)
  const giveUp = (socket: number) => {
    present.delete(socket)
    const device = `cpu-${socket}`
    unplugs.event('DEVICE_DELETED', { device, path: `/machine/peripheral/${device}` })
  }
  const machine = new MachineResizer({
    spec,
    execute,
    unplugs,
    requireHugePages,
    settings: settings as ResizeOptions['settings'],
  })
  return { machine, commands, giveUp }
}

test('a processor that the guest gives up after its time is none any more, and comes again', async () => {
  const { machine, commands, giveUp } = processors()
  const vcpus = (wanted: number) => machine.resize({ vcpus: wanted, memoryMiB: 256 })
  expect(await vcpus(2)).toMatchObject({ vcpus: 2 })
  expect(await vcpus(1)).toMatchObject({ vcpus: 2 })
  expect(machine.vcpus).toBe(2)
  giveUp(1)
  expect(machine.vcpus).toBe(1)
  expect(await vcpus(2)).toMatchObject({ vcpus: 2 })
  expect(commands.splice(0)).toEqual(['device_add cpu-1', 'device_del cpu-1', 'device_add cpu-1'])
  // The new one is asked for: it is not taken for the old one, which has gone.
  expect(await vcpus(1)).toMatchObject({ vcpus: 2 })
  giveUp(1)
  expect(await vcpus(1)).toMatchObject({ vcpus: 1 })
  expect(commands).toEqual(['device_del cpu-1'])
})

test('one that goes while the machine grows is made up for', async () => {
  const { machine, commands, giveUp } = processors()
  const vcpus = (wanted: number) => machine.resize({ vcpus: wanted, memoryMiB: 256 })
  await vcpus(2)
  await vcpus(1)
  const grown = vcpus(3)
  giveUp(1)
  expect(await grown).toMatchObject({ vcpus: 3 })
  expect(commands.filter((line) => line.startsWith('device_add')).sort()).toEqual([
    'device_add cpu-1',
    'device_add cpu-1',
    'device_add cpu-2',
  ])
})
