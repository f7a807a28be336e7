import { describe, expect, test } from 'bun:test'
import { openSync, readlinkSync } from 'node:fs'
import { builtInConfig } from '../../config/load.ts'
import { KataError } from '../../errors.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { deviceRights } from '../../oci/devices/device-rights.ts'
import type { DeviceRule } from '../../oci/resources.ts'
import type { OciSpec } from '../../oci/spec.ts'
import type { VfioAttachment } from '../../vmm/machine/pass-through.ts'
import { coldVfio, type VfioContainer, VfioDevices, type VfioHost, vfioUses } from './vfio-devices.ts'

const config = (changes: { hotPlugVfio?: 'root-port'; coldPlugVfio?: 'root-port' }) => {
  const base = builtInConfig({ cpus: 2, memoryMiB: 2048 })
  return { ...base, hypervisor: { ...base.hypervisor, ...changes } }
}
const functionOf = (address: string, cdev: string) => ({ address, cdev, numbers: { major: 511, minor: 0 } })
const group = [functionOf('0000:1a:00.0', 'vfio0'), functionOf('0000:1a:00.1', 'vfio1')]

/** Group 12 is 243:0; descriptors are of /dev/null, and counted. */
function fakeHost() {
  const opened: number[] = []
  const open = () => {
    const fd = openSync('/dev/null', 'r+')
    opened.push(fd)
    return fd
  }
  const host: VfioHost = {
    find: ({ major, minor }) => (major === 243 && minor === 0 ? group : undefined),
    isCommon: ({ major, minor }) => major === 10 && minor === 196,
    open,
    openIommu: open,
    holder: () => undefined,
  }
  const stillOpen = () => opened.filter((fd) => isNull(fd)).length
  return { host, stillOpen }
}

function isNull(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === '/dev/null'
  } catch {
    return false
  }
}

function fakeLedger() {
  const held: string[] = []
  const ledger = {
    async take(_kind: unknown, { id }: { id: string }, action: () => unknown) {
      const result = await action()
      held.push(id)
      return result
    },
    async release(_kind: unknown, isIt: (data: { id: string }) => boolean) {
      for (const id of held.filter((id) => isIt({ id }))) held.splice(held.indexOf(id), 1)
    },
  }
  return { ledger: ledger as unknown as Ledger, held }
}

function fakeVmm(there: readonly string[] = []) {
  const paths = new Map(there.map((id, index) => [id, `0${index}/00`]))
  const log: string[] = []
  const vmm = {
    async plug({ id }: VfioAttachment) {
      log.push(`plug ${id}`)
      paths.set(id, `1${paths.size}/00`)
      return paths.get(id)!
    },
    async unplug(id: string) {
      log.push(`unplug ${id}`)
      paths.delete(id)
    },
    pathOf: (id: string) => paths.get(id),
  }
  return { vmm, log }
}

const node = (path: string, major: number, minor: number) => ({ path, type: 'c', major, minor })
const spec: OciSpec = {
  linux: {
    devices: [node('/dev/null', 1, 3), node('/dev/vfio/vfio', 10, 196), node('/dev/vfio/12', 243, 0)],
  },
}
const of = (id: string, from: OciSpec = spec): VfioContainer => ({
  id,
  spec: from,
  rights: deviceRights(from),
})
const ids = ['vfio-0000-1a-00-0', 'vfio-0000-1a-00-1']

describe('what a spec asks for', () => {
  test('a group and what all VFIO devices share, which the guest is told nothing of', () => {
    const { uses, passed } = vfioUses(of('c'), fakeHost().host)
    expect(uses.map(({ device }) => device.path)).toEqual(['/dev/vfio/12'])
    expect(passed.map(({ path }) => path)).toEqual(['/dev/vfio/vfio', '/dev/vfio/12'])
  })

  test('nothing: the spec stays as it is, what all share included', () => {
    const none = { linux: { devices: [node('/dev/vfio/vfio', 10, 196)] } }
    expect(vfioUses(of('c', none), fakeHost().host)).toEqual({ uses: [], passed: [] })
  })

  test('the list of a privileged container asks only for what has another name', () => {
    const resources: { devices: DeviceRule[] } = { devices: [{ allow: true, access: 'rwm' }] }
    const asked = (path: string) => ({ linux: { devices: [node(path, 243, 0)], resources } })
    expect(vfioUses(of('c', asked('/dev/vfio/12')), fakeHost().host).uses).toEqual([])
    expect(vfioUses(of('c', asked('/dev/gpu')), fakeHost().host).uses).toHaveLength(1)
    // A device plugin's, which a client adds to the list with its rule.
    resources.devices.push({ allow: true, type: 'c', major: 243, minor: 0, access: 'mrw' })
    expect(vfioUses(of('c', asked('/dev/vfio/12')), fakeHost().host).uses).toHaveLength(1)
  })

  test('that of a privileged container without the host’s devices asks for all in it', () => {
    const bounding = ['CAP_SYS_ADMIN', 'CAP_SYS_MODULE', 'CAP_SYS_RAWIO', 'CAP_MKNOD']
    const unfenced: OciSpec = {
      ...spec,
      process: { capabilities: { bounding } },
      mounts: [{ destination: '/sys', type: 'sysfs' }],
    }
    const { uses, passed } = vfioUses(of('c', unfenced), fakeHost().host)
    expect(uses.map(({ device }) => device.path)).toEqual(['/dev/vfio/12'])
    expect(passed.map(({ path }) => path)).toEqual(['/dev/vfio/vfio', '/dev/vfio/12'])
  })
})

describe('while the machine runs', () => {
  const start = (
    there?: readonly string[],
    changes: Parameters<typeof config>[0] = { hotPlugVfio: 'root-port' },
  ) => {
    const { vmm, log } = fakeVmm(there)
    const { ledger, held } = fakeLedger()
    const { host, stillOpen } = fakeHost()
    const devices = new VfioDevices({ vmm, ledger, hypervisor: config(changes).hypervisor, host })
    return { devices, log, held, stillOpen }
  }

  test('every function of the group is plugged in and the agent told where; descriptors are closed here', async () => {
    const { devices, log, held, stillOpen } = start()
    const { devices: told } = await devices.attach(of('c'))
    expect(told).toEqual([
      {
        id: ids.join(','),
        type: 'vfio-pci-gk',
        vmPath: '',
        containerPath: '/dev/vfio/12',
        options: ['0000:1a:00.0=10/00', '0000:1a:00.1=11/00'],
      },
    ])
    expect(log).toEqual(ids.map((id) => `plug ${id}`))
    expect(held).toEqual(ids)
    expect(stillOpen()).toBe(0)
  })

  test('it goes with the last container that has it', async () => {
    const { devices, log, held } = start()
    for (const container of ['c', 'd']) await devices.attach(of(container))
    await devices.detach('c')
    expect(log).toHaveLength(2)
    await devices.detach('d')
    expect(log.slice(2)).toEqual(ids.map((id) => `unplug ${id}`))
    expect(held).toEqual([])
  })

  test('one that stays keeps no other, and is tried again with another removal', async () => {
    const { vmm, log } = fakeVmm()
    const { ledger, held } = fakeLedger()
    const [stuck] = ids
    let refuses = true
    const unplug = (id: string) =>
      refuses && id === stuck ? Promise.reject(new Error(`${id} is busy`)) : vmm.unplug(id)
    const { hypervisor } = config({ hotPlugVfio: 'root-port' })
    const devices = new VfioDevices({ vmm: { ...vmm, unplug }, ledger, hypervisor, host: fakeHost().host })
    await devices.attach(of('c'))
    await expect(devices.detach('c')).rejects.toThrow(`${stuck} is busy`)
    expect(held).toEqual(ids.slice(0, 1))
    refuses = false
    await devices.detach('c')
    expect({ held, last: log.at(-1) }).toEqual({ held: [], last: `unplug ${stuck}` })
  })

  test('one whose removal failed is for nobody else until it is out, and then comes anew', async () => {
    const { vmm, log } = fakeVmm()
    const { ledger, held } = fakeLedger()
    let refuses = true
    const unplug = (id: string) => (refuses ? Promise.reject(new Error(`${id} is busy`)) : vmm.unplug(id))
    const { hypervisor } = config({ hotPlugVfio: 'root-port' })
    const devices = new VfioDevices({ vmm: { ...vmm, unplug }, ledger, hypervisor, host: fakeHost().host })
    await devices.attach(of('c'))
    await expect(devices.detach('c')).rejects.toThrow('is busy')
    await expect(devices.attach(of('d'))).rejects.toThrow('is busy')
    await devices.detach('d')
    refuses = false
    log.length = 0
    await devices.attach(of('d'))
    expect(log).toEqual(ids.flatMap((id) => [`unplug ${id}`, `plug ${id}`]))
    await devices.detach('c')
    expect(held).toEqual(ids)
    await devices.detach('d')
    expect(held).toEqual([])
  })

  test('one that was there from the start is used, and stays', async () => {
    const { devices, log } = start(ids, { coldPlugVfio: 'root-port' })
    const { devices: told } = await devices.attach(of('c'))
    expect(told[0]?.options).toEqual(['0000:1a:00.0=00/00', '0000:1a:00.1=01/00'])
    await devices.detach('c')
    expect(log).toEqual([])
  })

  test('without a port for it, or with a VMM that takes none, it is refused', async () => {
    const { devices, held } = start([], {})
    await expect(devices.attach(of('c'))).rejects.toThrow(
      '[VFIO_DISABLED] host device 0000:1a:00.0 of container c has no place in the machine',
    )
    expect(held).toEqual([])
    const none = new VfioDevices({
      vmm: undefined,
      ledger: fakeLedger().ledger,
      host: fakeHost().host,
      hypervisor: config({ hotPlugVfio: 'root-port' }).hypervisor,
    })
    await expect(none.attach(of('c'))).rejects.toMatchObject({
      code: 'VMM_NO_VFIO',
      remedy: 'Use [hypervisor.qemu] for containers with VFIO devices.',
    })
  })
})

describe('from the start', () => {
  test('all functions of the first container’s devices, open until they are handed over', async () => {
    const { ledger, held } = fakeLedger()
    const { host, stillOpen } = fakeHost()
    const cold = await coldVfio(
      { container: of('p'), config: config({ coldPlugVfio: 'root-port' }) },
      ledger,
      host,
    )
    expect(cold.devices.map(({ id }) => id)).toEqual(ids)
    expect(held).toEqual(ids)
    expect(stillOpen()).toBe(4)
    cold[Symbol.dispose]()
    cold[Symbol.dispose]()
    expect(stillOpen()).toBe(0)
  })

  test('none unless cold_plug_vfio asks for it', async () => {
    const { host } = fakeHost()
    const cold = await coldVfio({ container: of('p'), config: config({}) }, fakeLedger().ledger, host)
    expect(cold.devices).toEqual([])
  })

  test('a failure closes what was open', async () => {
    const { host, stillOpen } = fakeHost()
    let count = 0
    const open = (...args: Parameters<VfioHost['open']>) => {
      if (++count === 2)
        throw new KataError('DEVICE_IN_USE', { device: 'vfio1', container: 'p', holder: 'somebody' })
      return host.open(...args)
    }
    const given = { container: of('p'), config: config({ coldPlugVfio: 'root-port' as const }) }
    await expect(coldVfio(given, fakeLedger().ledger, { ...host, open })).rejects.toThrow('[DEVICE_IN_USE]')
    expect(stillOpen()).toBe(0)
  })
})

describe('a device that somebody has', () => {
  const hypervisor = config({ hotPlugVfio: 'root-port', coldPlugVfio: 'root-port' }).hypervisor
  const alone = { linux: { devices: [node('/dev/vfio/12', 243, 0)] } }
  const inUse = (holder: string) =>
    `[DEVICE_IN_USE] device 0000:1a:00.0 of container c is in use: ${holder}. Stop the program that uses it`

  test('is refused before the VMM is asked, with who has it; nothing is open or held', async () => {
    const { vmm, log } = fakeVmm()
    const { ledger, held } = fakeLedger()
    const { host, stillOpen } = fakeHost()
    const taken = { ...host, holder: () => 'sandbox k8s.io/other has it' }
    const devices = new VfioDevices({ vmm, ledger, hypervisor, host: taken })
    await expect(devices.attach(of('c'))).rejects.toThrow(inUse('sandbox k8s.io/other has it'))
    await expect(
      coldVfio({ container: of('c'), config: config({ coldPlugVfio: 'root-port' }) }, ledger, taken),
    ).rejects.toThrow(inUse('sandbox k8s.io/other has it'))
    expect({ log, held, open: stillOpen() }).toEqual({ log: [], held: [], open: 0 })
  })

  // As QEMU 10 says it of a device that another process has bound.
  const reason = 'vfio VFIO_FD43: error bind device fd=43 to iommufd=42: Invalid argument'
  const refused = new KataError('VMM_COMMAND_FAILED', { command: 'device_add', reason })

  test('is what the kernel’s refusal to bind it means, hot and cold', async () => {
    const { host } = fakeHost()
    const vmm = { ...fakeVmm().vmm, plug: () => Promise.reject(refused) }
    const devices = new VfioDevices({ vmm, ledger: fakeLedger().ledger, hypervisor, host })
    const twice = 'the kernel does not bind it a second time'
    await expect(devices.attach(of('c'))).rejects.toThrow(inUse(twice))
    const one = { ...host, find: () => group.slice(0, 1) }
    using cold = await coldVfio(
      { container: of('c', alone), config: config({ coldPlugVfio: 'root-port' }) },
      fakeLedger().ledger,
      one,
    )
    const facts = { sandbox: 'c', program: 'qemu', exit: 'exit code 1', tail: reason }
    await expect(cold.explain(Promise.reject(new KataError('VMM_EXITED', facts)))).rejects.toThrow(
      inUse(twice),
    )
    await expect(cold.explain(Promise.reject(new Error('another')))).rejects.toThrow('another')
    expect(await cold.explain(Promise.resolve(7))).toBe(7)
  })

  test('the machine counts as held up while a device is plugged in, and the watch over the guest waits', async () => {
    const plugging = Promise.withResolvers<string>()
    const { host } = fakeHost()
    const vmm = { ...fakeVmm().vmm, plug: () => plugging.promise }
    const devices = new VfioDevices({
      vmm,
      ledger: fakeLedger().ledger,
      hypervisor,
      host: { ...host, find: () => group.slice(0, 1) },
    })
    expect(devices.heldUp).toEqual({ times: 0, now: false })
    const attached = devices.attach(of('c', alone))
    await Bun.sleep(1)
    expect(devices.heldUp).toEqual({ times: 1, now: true })
    // Containers without a device do not wait for that.
    expect(await devices.attach(of('other', { linux: { devices: [] } }))).toEqual({ devices: [], passed: [] })
    await devices.detach('other')
    plugging.resolve('10/00')
    await attached
    expect(devices.heldUp).toEqual({ times: 1, now: false })
  })
})
