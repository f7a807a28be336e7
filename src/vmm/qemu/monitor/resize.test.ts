/** Memory that a machine gets while it runs, and a guest or a QEMU that does not give it. */
import { expect, test } from 'bun:test'
import { clocksThatRush } from '../../../time.double.ts'
import { MachineResizer, type ResizeOptions } from './resize.ts'

const spec = { memoryMiB: 256, maxMemoryMiB: 1024, vcpus: 1, accelerator: 'kvm' } as ResizeOptions['spec']
const settings = { memorySlots: 1, enableVirtioMem: false, hostMemoryMiB: 4096, hostCpus: 1 }

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
    unplug: async () => {},
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

test('a guest that does not take what virtio-mem offers is told with how much it took', async () => {
  const { machine } = resizer(0, { enableVirtioMem: true })
  using _rush = clocksThatRush()
  await expect(machine.resize(wanted(384))).rejects.toMatchObject({
    code: 'VMM_MEMORY_REFUSED',
    fields: { size: 128, answer: 'took 0 MiB within 10 s' },
  })
})
