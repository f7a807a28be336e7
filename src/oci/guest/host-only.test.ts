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
      ...{ cpu: { cpus: '1' }, network: { classID: 5, priorities: [] } },
      blockIO: { weight: 0, throttleWriteBpsDevice: [{ major: 8, minor: 0, rate: 1 }] },
    },
  }
  const limits = ['linux.resources.blockIO', 'linux.resources.network']
  expect(unmetWishes({ linux })).toEqual(['linux.intelRdt.l3CacheSchema', ...limits])
  expect(unmetLimits({ blockIO: { weight: 0, weightDevice: [] }, network: {} })).toEqual([])
  expect(unmetWishes({})).toEqual([])
})

test('limits that cgroup v2 does not have are named', () => {
  const names = ['memory.swappiness', 'memory.disableOOMKiller', 'cpu.realtimeRuntime', 'cpu.realtimePeriod']
  expect(
    unmetLimits({
      memory: { limit: 1, swappiness: 0, disableOOMKiller: true },
      cpu: { shares: 2, realtimeRuntime: 1, realtimePeriod: 2 },
    }),
  ).toEqual(names.map((name) => `linux.resources.${name}`))
  expect(unmetLimits({ memory: { disableOOMKiller: false }, cpu: { realtimeRuntime: 0 } })).toEqual([])
})
