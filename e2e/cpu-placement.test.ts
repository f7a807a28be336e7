// test:vmm: every VMM
/** A pod whose containers were given processors of the host: its cgroup has those, and with pinning each vCPU is on one of them. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { vcpuThreads } from '../src/cgroups/placement.ts'
import { cgroupDirectory, cgroupHierarchies, cgroupOf, hierarchyOf } from '../src/linux/cgroups/cgroup.ts'
import { readStatus } from '../src/linux/processes/proc.ts'
import { readPosture } from '../src/rootless/posture/posture.ts'
import { Pod } from './devices/pod.ts'
import { slow } from './harness/time.ts'

const bootMs = slow(60_000)
const hierarchy = hierarchyOf(cgroupHierarchies(), 'cpuset')
const allowed = (tid: number) => readStatus(`/proc/${tid}/status`)?.get('Cpus_allowed_list')
/** Of all of the host, in the words of the kernel. */
const everywhere = allowed(process.pid)
/** Two processors of the host, as a list. */
const two = '0-1'
const skipped =
  hierarchy === undefined || !/^0-/.test(everywhere ?? '') ? ' (skipped: no cpuset, or one processor)' : ''

let pod: Pod
const vcpus = () => vcpuThreads(pod.sandbox.pid).map(allowed)
const withCpus = (cpus: string) =>
  pod.create('sleep 1000', {}, (spec) => ({
    ...spec,
    linux: { ...spec.linux, resources: { cpu: { cpus } } },
  }))

/** What the cgroup of the guest's processors allows. */
function cpuset(): string {
  const tid = vcpuThreads(pod.sandbox.pid)[0]!
  const path = cgroupOf(tid, hierarchy!)!
  return readFileSync(`${cgroupDirectory(hierarchy!, path)}/cpuset.cpus`, 'utf8').trim()
}

beforeAll(async () => {
  if (skipped === '')
    pod = await Pod.start({ defaultVcpus: 2, defaultMaxVcpus: 2 }, { enableVcpusPinning: true })
}, bootMs)
afterAll(async () => pod?.[Symbol.asyncDispose]())

test.skipIf(skipped !== '')(
  `as many processors as vCPUs: one each; fewer: all of them on those; gone: anywhere again${skipped}`,
  async () => {
    expect(vcpus()).toEqual([everywhere, everywhere])
    const first = await withCpus(two)
    expect({ vcpus: vcpus(), cpuset: cpuset() }).toEqual({ vcpus: ['0', '1'], cpuset: two })
    await first.update({ cpu: { cpus: '1' } })
    expect({ vcpus: vcpus(), cpuset: cpuset() }).toEqual({ vcpus: ['1', '1'], cpuset: '1' })
    const second = await withCpus('0')
    expect({ vcpus: vcpus(), cpuset: cpuset() }).toEqual({ vcpus: ['0', '1'], cpuset: two })
    await first.remove()
    expect(vcpus()).toEqual(['0', '0'])
    await second.remove()
    expect(vcpus()).toEqual([everywhere, everywhere])
  },
  bootMs,
)

test.skipIf(skipped !== '')(`a list that is none is refused by name${skipped}`, async () => {
  await expect(withCpus('none')).rejects.toThrow('[CPUSET_INVALID]')
})

test.skipIf(skipped !== '')(
  `what binds the threads is gone, and they are as confined as before${skipped}`,
  () => {
    const { threads } = readPosture(pod.sandbox.pid)
    for (const { noNewPrivs, seccomp } of threads)
      expect({ noNewPrivs, seccomp }).toEqual({ noNewPrivs: 1, seccomp: 2 })
  },
)
