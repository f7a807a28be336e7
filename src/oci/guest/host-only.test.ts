import { expect, test } from 'bun:test'
import { unmetLimits, unmetWishes, withoutHostNumbers, withoutHostOnly } from './host-only.ts'

test('labels, processors, disks and caches of the host are left out, everything else stays', () => {
  const spec = {
    process: {
      args: ['sh'],
      apparmorProfile: 'cri-containerd.apparmor.d',
      selinuxLabel: 'system_u:system_r:x',
    },
    linux: {
      mountLabel: 'system_u:object_r:x',
      intelRdt: { l3CacheSchema: 'x' },
      maskedPaths: ['/proc/kcore'],
      resources: {
        cpu: { quota: 5, cpus: '2-3', mems: '0' },
        blockIO: { weight: 5 },
        memory: { limit: 7 },
      },
    },
  }
  expect(withoutHostOnly(spec)).toEqual({
    process: { args: ['sh'] },
    linux: { maskedPaths: ['/proc/kcore'], resources: { cpu: { quota: 5 }, memory: { limit: 7 } } },
  })
})

test('a spec without these parts, and an update of the processors alone', () => {
  expect(withoutHostOnly({})).toEqual({ linux: {} })
  expect(withoutHostNumbers({ cpu: { cpus: '0-1' } })).toEqual({ cpu: {} })
})

test('wishes that nobody meets are named; empty ones, and labels, are none', () => {
  const linux = {
    mountLabel: 'system_u:object_r:x',
    intelRdt: { l3CacheSchema: 'L3:0=f' },
    resources: {
      cpu: { cpus: '1' },
      network: { classID: 5, priorities: [] },
      blockIO: { weight: 0, throttleWriteBpsDevice: [{ major: 8, minor: 0, rate: 1 }] },
    },
  }
  const limits = ['linux.resources.blockIO', 'linux.resources.network']
  expect(unmetWishes({ linux })).toEqual(['linux.intelRdt.l3CacheSchema', ...limits])
  expect(unmetLimits({ blockIO: { weight: 0, weightDevice: [] }, network: {} })).toEqual([])
  expect(unmetWishes({})).toEqual([])
})

test('files of cgroup v2 with numbers of the host are left out and named, others stay', () => {
  const unified = {
    'memory.high': '1',
    'cpuset.cpus': '2-3',
    'io.max': '8:0 rbps=1',
    'rdma.max': 'x',
    'cpu.idle': '1',
  }
  expect(withoutHostNumbers({ unified })).toEqual({ unified: { 'memory.high': '1', 'cpu.idle': '1' } })
  expect(unmetLimits({ unified })).toEqual(
    ['cpuset.cpus', 'io.max', 'rdma.max'].map((name) => `linux.resources.unified["${name}"]`),
  )
})

test('limits that only version 1 of cgroups has are named, and values that ask for none are not', () => {
  const memory = { kernel: 1, kernelTCP: 1, swappiness: 0, disableOOMKiller: true }
  const cpu = { realtimeRuntime: 1, realtimePeriod: 1 }
  const names = [
    ...['memory.kernel', 'memory.kernelTCP', 'memory.swappiness', 'memory.disableOOMKiller'],
    ...['cpu.realtimeRuntime', 'cpu.realtimePeriod'],
  ]
  expect(unmetLimits({ memory, cpu })).toEqual(names.map((name) => `linux.resources.${name}`))
  const none = { kernel: -1, kernelTCP: 0, swappiness: 2 ** 64, disableOOMKiller: false }
  expect(unmetLimits({ memory: none, cpu: { realtimeRuntime: 0 } })).toEqual([])
})

test('huge pages are named by their size; the zeros that kubelet sends are none', () => {
  const hugepageLimits = [
    { pageSize: '1GB', limit: 0 },
    { pageSize: '2MB', limit: 4194304 },
  ]
  expect(unmetLimits({ hugepageLimits })).toEqual(['linux.resources.hugepageLimits["2MB"]'])
})

test('swap is named, by the limit of memory and swap and by the file of cgroup v2', () => {
  const named = ['linux.resources.memory.swap']
  expect(unmetLimits({ memory: { limit: 100, swap: 150 } })).toEqual(named)
  expect(unmetLimits({ memory: { limit: 100, swap: 300 } })).toEqual(named)
  const unified = { 'memory.swap.max': '1048576' }
  expect(unmetLimits({ unified })).toEqual(['linux.resources.unified["memory.swap.max"]'])
})

test.each([
  ['containerd', { memory: { limit: 100, swap: 100 } }],
  ['`docker run -m`', { memory: { limit: 100, swap: 200 } }],
  ['`docker run -m --memory-swap -1`', { memory: { limit: 100, swap: -1 } }],
  ['containers without a limit', { memory: { swap: 0 } }],
  ['kubelet on a node without swap', { unified: { 'memory.swap.max': '0' } }],
  ['kubelet on a node without a limit of swap', { unified: { 'memory.swap.max': 'max' } }],
])('what %s sends asks for no swap', (_, resources) => {
  expect(unmetLimits(resources)).toEqual([])
})

test('a profile of AppArmor is named unless a client gives it to every container', () => {
  const named = (apparmorProfile: string) => unmetWishes({ process: { apparmorProfile } })
  expect(named('k8s-apparmor-example-deny-write')).toEqual(['process.apparmorProfile'])
  for (const usual of [
    '',
    'unconfined',
    'cri-containerd.apparmor.d',
    'docker-default',
    'containers-default-0.62.2',
  ])
    expect(named(usual)).toEqual([])
})

test('namespaces of the host and of other containers are named; those of the pod are had', () => {
  const asked = (type: string, path = '') => ({ type, ...(path && { path }) })
  const own = { namespaces: ['ipc', 'uts', 'mount'].map((type) => asked(type)) }
  expect(unmetWishes({ linux: own })).toEqual([])
  expect(unmetWishes({ linux: { namespaces: [asked('uts')] } })).toEqual([
    'linux.namespaces: ipc of the host',
  ])
  const joined = { namespaces: [asked('ipc', '/proc/9/ns/ipc'), asked('uts')] }
  expect(unmetWishes({ linux: joined })).toEqual(['linux.namespaces: ipc of /proc/9/ns/ipc'])
  const annotations = { 'io.kubernetes.cri.container-type': 'container' }
  expect(unmetWishes({ annotations, linux: joined })).toEqual([])
  for (const type of ['mount', 'cgroup', 'time']) {
    const path = `/proc/9/ns/${type}`
    const others = { namespaces: [...own.namespaces.filter((one) => one.type !== type), asked(type, path)] }
    for (const spec of [{ linux: others }, { annotations, linux: others }])
      expect(unmetWishes(spec)).toEqual([`linux.namespaces: ${type} of ${path}`])
  }
})
