import { expect, test } from 'bun:test'
import type { NicAttachment } from '../../../vmm/vmm.ts'
import { sandboxPaths } from '../../records/paths.ts'
import { HostDouble } from '../doubles/host.double.ts'
import { VmmDouble } from '../doubles/vmm.double.ts'
import type { MachineDevices } from '../prepare/devices.ts'
import { recordTimings } from '../timings.ts'
import { describeMachine, type MachineParts, makeVmm, startMachine } from './machine.ts'

const identity = { name: 'kata-7', uid: 7, gid: 7, groups: [108] }
const nics: readonly NicAttachment[] = [{ id: 'net0', mac: '02:00:00:00:00:01', mtu: 1500, taps: [7] }]

function fakeDevices(log: string[]): MachineDevices {
  return {
    attached: { nics },
    network: { interfaces: [], routes: [], neighbours: [] },
    explain: (start) =>
      start.catch((cause) => {
        throw new Error('a device is in use', { cause })
      }),
    [Symbol.dispose]: () => void log.push('close'),
  }
}

const fakeCgroups = (log: string[]) => ({
  explain: <T>(work: Promise<T>) => work,
  placeVmm: async (pid: number) => void log.push(`place ${pid}`),
})

test('a machine is described by its plan, its user, its files and its devices', () => {
  using double = new HostDouble()
  const { config } = double.request({ kvmAccess: 'descriptor', kernelParams: ['mine=1'] })
  const spec = describeMachine({
    id: 'pod',
    config,
    paths: { stateDir: '/state' },
    devices: fakeDevices([]),
    assets: { kernel: '/kernel', initrd: '/initrd', verify: async () => {} },
    plan: { vcpus: 1, memoryMiB: 256, maxVcpus: 2, maxMemoryMiB: 512 },
    accelerator: { accelerator: 'kvm', reason: 'it works' },
    user: { identity, privateDir: '/run/user/7', ids: undefined },
  })
  expect(spec).toEqual({
    sandboxId: 'pod',
    identity,
    privateDir: '/run/user/7',
    stateDir: '/state',
    kernel: '/kernel',
    initrd: '/initrd',
    kernelParams: ['mine=1'],
    kvmAccess: 'descriptor',
    vcpus: 1,
    memoryMiB: 256,
    maxVcpus: 2,
    maxMemoryMiB: 512,
    accelerator: 'kvm',
    nics,
  })
})

test('its VMM gets the description, what is waited for by the configuration, and the ledger', async () => {
  using double = new HostDouble()
  const { config, log, signal } = double.request()
  const ledger = double.host.openLedger(sandboxPaths(double.directory, 'test', 'pod'), log)
  const parts: MachineParts = {
    id: 'pod',
    config: {
      ...config,
      agent: { ...config.agent, dialTimeout: 7 },
      runtime: { ...config.runtime, createContainerTimeout: 11 },
    },
    paths: { stateDir: '/state' },
    devices: fakeDevices([]),
    assets: { kernel: '/kernel', initrd: '/initrd', verify: async () => {} },
    plan: { vcpus: 1, memoryMiB: 256, maxVcpus: 2, maxMemoryMiB: 512 },
    accelerator: { accelerator: 'kvm', reason: 'it works' },
    user: { identity, privateDir: '/run/user/7', ids: undefined },
  }
  expect(await makeVmm(double.host, ledger, parts, { log, signal })).toBe(double.vmm)
  expect(double.made).toEqual({
    spec: describeMachine(parts),
    patience: { start: 7, plug: 11 },
    config: parts.config,
    ledger,
    log,
    signal,
  })
  expect(double.vmm.calls).toEqual([])
})

test('our copies of the devices are closed once the VMM runs, and then it is placed', async () => {
  const log: string[] = []
  const vmm = new VmmDouble((call) => void log.push(call))
  const timings = recordTimings(new AbortController().signal)
  const parts = { devices: fakeDevices(log), cgroups: fakeCgroups(log) }
  expect(await startMachine(vmm, parts, timings)).toEqual({ pid: 4711, startTime: '1' })
  expect(log).toEqual(['start', 'close', 'place 4711'])
  expect(timings.steps.map(({ step }) => step)).toEqual(['vmm'])
})

test('a VMM that does not start says so by the device that was in its way, and nothing is placed', async () => {
  const log: string[] = []
  const vmm = new VmmDouble(() => {
    throw new Error('refused')
  })
  const timings = recordTimings(new AbortController().signal)
  const parts = { devices: fakeDevices(log), cgroups: fakeCgroups(log) }
  await expect(startMachine(vmm, parts, timings)).rejects.toThrow('a device is in use')
  expect(log).toEqual([])
})

test('a start that was given up starts no VMM', async () => {
  const log: string[] = []
  const vmm = new VmmDouble()
  const timings = recordTimings(AbortSignal.abort(new Error('given up')))
  const parts = { devices: fakeDevices(log), cgroups: fakeCgroups(log) }
  await expect(startMachine(vmm, parts, timings)).rejects.toThrow('given up')
  expect(vmm.calls).toEqual([])
})
