import { describe, expect, test } from 'bun:test'
import type { Config } from '../../config/config.ts'
import type { OciResources } from '../../oci/resources.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { announcedDemand, demandOfContainer, neededSize, planMachine } from './sizing.ts'

const hostMemoryMiB = 8192
const hostCpus = 8

function config({
  isStatic = false,
  ...hypervisor
}: Partial<Config['hypervisor']> & { isStatic?: boolean } = {}) {
  return {
    hypervisor: {
      defaultVcpus: 1,
      defaultMaxVcpus: 0,
      defaultMemory: 256,
      defaultMaxMemory: 0,
      ...hypervisor,
    },
    runtime: { staticSandboxResourceMgmt: isStatic },
  } as Config
}

const MiB = 1024 * 1024
const limits = (quota: number, memoryMiB: number) => ({
  cpu: { quota, period: 100_000, shares: 512 },
  memory: { limit: memoryMiB * MiB },
})
const container: OciSpec = { linux: { resources: limits(150_000, 100) } }
/** As CRI makes the specification of a pod's containers. */
const inPod = (resources: OciResources): OciSpec => ({
  annotations: { 'io.kubernetes.cri.container-type': 'container', 'io.kubernetes.cri.sandbox-id': 'p' },
  linux: { resources },
})
const pod: OciSpec = {
  annotations: {
    'io.kubernetes.cri.container-type': 'sandbox',
    'io.kubernetes.cri.sandbox-cpu-quota': '250000',
    'io.kubernetes.cri.sandbox-cpu-period': '100000',
    'io.kubernetes.cri.sandbox-cpu-shares': '2048',
    'io.kubernetes.cri.sandbox-memory': `${512 * MiB}`,
  },
  linux: { resources: limits(9_000_000, 9000) },
}

describe('what a container may use', () => {
  test('is its quota in processors and its memory with huge pages', () => {
    const hugepageLimits = [{ pageSize: '2MB', limit: 2 * MiB }]
    const resources = { ...limits(150_000, 100), hugepageLimits }
    expect(demandOfContainer(inPod(resources))).toEqual({ vcpus: 1.5, memoryBytes: 102 * MiB })
    expect(demandOfContainer(inPod({ cpu: { quota: 50_000 } })).vcpus).toBe(0.5)
  })

  test.each([
    ['no resources', undefined],
    ['no limits', { cpu: { shares: 2 }, memory: {} }],
    ['the values that lift a limit', { cpu: { quota: -1, period: 100_000 }, memory: { limit: -1 } }],
    ['the kernel’s largest number', { memory: { limit: 0x7ffffffffffff000 } }],
    ['what is no number', { cpu: { quota: Number.NaN }, memory: { limit: Number.NaN }, hugepageLimits: [] }],
  ])('is nothing for %s', (_, resources) => {
    const none = { vcpus: 0, memoryBytes: 0 }
    for (const spec of [{}, inPod({})]) expect(demandOfContainer(spec, resources)).toEqual(none)
  })

  test('is nothing for the container that only holds the pod', () => {
    expect(demandOfContainer(pod)).toEqual({ vcpus: 0, memoryBytes: 0 })
    expect(demandOfContainer(container).vcpus).toBe(1.5)
  })

  describe.each([
    ['with a lifted quota', -1, 4, 4],
    ['with a zero for the quota, as CRI-O writes none', 0, 0, 4],
    ['without a quota', undefined, 0, 4],
    ['with a quota', 150_000, 1.5, 1.5],
  ])('with a cpuset of 4, %s', (_, quota, vcpusInPod, vcpusAlone) => {
    const cpu = { cpus: '2-4,7', period: 100_000, ...(quota !== undefined && { quota }) }

    test(`is ${vcpusInPod} processors in a pod, whose kubelet gives a cpuset to all`, () => {
      expect(demandOfContainer(inPod({ cpu })).vcpus).toBe(vcpusInPod)
    })

    test(`is ${vcpusAlone} processors without a pod`, () => {
      expect(demandOfContainer({ linux: { resources: { cpu } } }).vcpus).toBe(vcpusAlone)
    })
  })

  test('is what it was changed to', () => {
    const changed = { cpu: { quota: -1, cpus: '0-1' } }
    expect(demandOfContainer(inPod(limits(150_000, 100)), changed).vcpus).toBe(2)
    expect(demandOfContainer(pod, changed)).toEqual({ vcpus: 0, memoryBytes: 0 })
  })

  test('is refused by name where the cpuset is none', () => {
    const resources = { cpu: { quota: -1, cpus: 'all' } }
    expect(() => demandOfContainer(inPod(resources))).toThrow('[CPUSET_INVALID]')
    expect(() => planMachine(config(), { linux: { resources } }, hostMemoryMiB)).toThrow('[CPUSET_INVALID]')
  })

  test('is announced by CRI for the whole pod', () => {
    expect(announcedDemand(pod)).toEqual({ vcpus: 2.5, memoryBytes: 512 * MiB })
    expect(announcedDemand(container)).toEqual({ vcpus: 0, memoryBytes: 0 })
    const exclusive = { ...pod.annotations, 'io.kubernetes.cri.sandbox-cpu-quota': '-1' }
    expect(announcedDemand({ annotations: exclusive })).toEqual({ vcpus: 2, memoryBytes: 512 * MiB })
    const nonsense = {
      'io.kubernetes.cri.sandbox-cpu-quota': 'many',
      'io.kubernetes.cri.sandbox-memory': '-1',
    }
    expect(announcedDemand({ annotations: nonsense })).toEqual({ vcpus: 0, memoryBytes: 0 })
  })

  test('is announced by CRI-O in one document', () => {
    const annotations = {
      'io.kubernetes.cri-o.ContainerType': 'sandbox',
      'io.kubernetes.cri-o.PodLinuxResources': `{"cpu_period":100000,"cpu_quota":250000,"memory_limit_in_bytes":${512 * MiB}}`,
    }
    expect(announcedDemand({ annotations })).toEqual({ vcpus: 2.5, memoryBytes: 512 * MiB })
    const exclusive = {
      ...annotations,
      'io.kubernetes.cri-o.PodLinuxResources': '{"cpu_period":100000,"cpu_quota":-1,"cpu_shares":4608}',
    }
    expect(announcedDemand({ annotations: exclusive }).vcpus).toBe(4.5)
    const unlimited = { ...annotations, 'io.kubernetes.cri-o.PodLinuxResources': '{"cpu_quota":-1}' }
    expect(announcedDemand({ annotations: unlimited })).toEqual({ vcpus: 0, memoryBytes: 0 })
  })
})

describe('the machine that is needed', () => {
  test('is the machine’s own share and what the containers add up to, processors rounded up once', () => {
    const demands = [
      { vcpus: 0.3, memoryBytes: 100 * MiB },
      { vcpus: 0.7, memoryBytes: 1 },
    ]
    expect(neededSize(config(), demands, hostMemoryMiB)).toEqual({ vcpus: 2, memoryMiB: 357 })
    expect(neededSize(config({ defaultVcpus: 0.5 }), demands, hostMemoryMiB).vcpus).toBe(2)
    expect(neededSize(config(), [], hostMemoryMiB)).toEqual({ vcpus: 1, memoryMiB: 256 })
  })

  test('is no larger than the pod may be, and as large where that is more', () => {
    const demands = [1, 2, 3].map(() => ({ vcpus: 2, memoryBytes: 4096 * MiB }))
    const limits = { vcpus: 2, memoryBytes: 4096 * MiB }
    expect(neededSize(config(), demands, hostMemoryMiB, limits)).toEqual({ vcpus: 3, memoryMiB: 4352 })
    const large = { vcpus: 9, memoryBytes: 9000 * MiB }
    expect(neededSize(config(), demands.slice(1, 2), hostMemoryMiB, large)).toEqual({
      vcpus: 3,
      memoryMiB: 4352,
    })
    expect(() => neededSize(config(), demands, hostMemoryMiB)).toThrow('SANDBOX_TOO_LARGE')
  })

  test('is not one processor more for the inexactness of a division', () => {
    const third = { vcpus: 0.1 + 0.2, memoryBytes: 0 }
    expect(neededSize(config({ defaultVcpus: 0.7 }), [third], hostMemoryMiB).vcpus).toBe(1)
  })

  test.each([
    ['the host', {}, hostMemoryMiB],
    ['default_maxmemory', { defaultMaxMemory: 1024 }, 1024],
  ])('may not have more memory than %s', (_, hypervisor, most) => {
    const demand = (memoryMiB: number) => [{ vcpus: 0, memoryBytes: memoryMiB * MiB }]
    expect(neededSize(config(hypervisor), demand(most - 256), hostMemoryMiB).memoryMiB).toBe(most)
    expect(() => neededSize(config(hypervisor), demand(most - 255), hostMemoryMiB)).toThrow(
      `[SANDBOX_TOO_LARGE] the pod needs a machine of ${most + 1} MiB, 256 MiB of its own and the rest for its containers; the limit is ${most} MiB`,
    )
  })
})

describe('the machine that is booted', () => {
  test('has for a pod what is configured, and can grow', () => {
    const plan = planMachine(config({ defaultMaxVcpus: 7, defaultMaxMemory: 2048 }), pod, hostMemoryMiB)
    expect(plan).toEqual({ vcpus: 1, memoryMiB: 256, maxVcpus: 7, maxMemoryMiB: 2048 })
  })

  test('has for a single container its limits on top at once', () => {
    const plan = planMachine(config(), container, hostMemoryMiB, hostCpus)
    expect(plan).toEqual({ vcpus: 3, memoryMiB: 356, maxVcpus: 0, maxMemoryMiB: 0 })
  })

  test('has as many more as a cpuset without a quota, and no more than there are', () => {
    const plan = (cpus: string) =>
      planMachine(config(), { linux: { resources: { cpu: { cpus } } } }, hostMemoryMiB, hostCpus)
    expect(plan('0-3').vcpus).toBe(5)
    expect(plan('0-31').vcpus).toBe(9)
  })

  test('has in static mode all that CRI announces, and cannot grow', () => {
    const plan = planMachine(config({ isStatic: true }), pod, hostMemoryMiB, hostCpus)
    expect(plan).toEqual({ vcpus: 4, memoryMiB: 768, maxVcpus: 4, maxMemoryMiB: 768 })
  })

  test('never has more processors than default_maxvcpus', () => {
    expect(planMachine(config({ defaultMaxVcpus: 2 }), container, hostMemoryMiB, hostCpus).vcpus).toBe(2)
  })

  test('has its own beside a container that may use all of the host’s, and no more, whatever the limits say', () => {
    const { annotations } = pod
    const many = { linux: { resources: limits(50_000_000, 100) } }
    expect(planMachine(config(), many, hostMemoryMiB, hostCpus).vcpus).toBe(9)
    expect(planMachine(config({ defaultVcpus: 2 }), many, hostMemoryMiB, hostCpus).vcpus).toBe(10)
    const announced = { annotations: { ...annotations, 'io.kubernetes.cri.sandbox-cpu-quota': '50000000' } }
    const { vcpus, maxVcpus } = planMachine(config({ isStatic: true }), announced, hostMemoryMiB, hostCpus)
    expect([vcpus, maxVcpus]).toEqual([9, 9])
  })
})
