// test:vmm: every VMM
/** The size of a pod's machine, through CRI: it grows and shrinks with the containers, or is right from the start. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { applySettings, memorySettings } from '../../src/cgroups/bounds.ts'
import { describeError } from '../../src/errors.ts'
import {
  cgroupDirectory,
  cgroupHierarchies,
  cgroupOf,
  hierarchyOf,
  makeCgroup,
  removeCgroup,
} from '../../src/linux/cgroups/cgroup.ts'
import { processesOfUid, readStatus } from '../../src/linux/processes/proc.ts'
import { PodSandboxConfig } from '../../src/protocol/generated/cri/runtime.ts'
import { defaultRunDir, sandboxPaths } from '../../src/sandbox/records/paths.ts'
import { podTest, reasonAgainst } from '../harness/cannot.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { eventually, scratch } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { hypervisorTable, vmm } from '../harness/vmm.ts'
import { podCgroup } from './cgroups.ts'
import { Containerd } from './containerd.ts'
import type { Pod, PodOptions } from './cri.ts'

const MiB = 1024 * 1024
const files = scratch()
const growing =
  'grows with a container, whose limit binds, and with new limits; programs still start from the share'
const movable = 'gives memory back where it came by virtio-mem'
/** Ways to run a pod whose machine has 1 processor and 256 MiB for itself. */
const handlers = {
  dynamic: '',
  limited: 'default_maxmemory = 512\n',
  static: '[runtime]\nstatic_sandbox_resource_mgmt = true\n',
  ...(reasonAgainst(movable) === undefined && {
    movable: 'enable_virtio_mem = true\ndefault_maxmemory = 2048\n',
  }),
  reclaimed: 'reclaim_guest_freed_memory = true\n',
  counted: '[runtime]\nsandbox_cgroup_only = true\n',
}

let before: HostState
let containerd: Containerd
beforeAll(async () => {
  before = hostState(defaultRunDir)
  const entries = Object.entries(handlers).map(([name, settings]) => {
    const configPath = `${files.path}/${name}.toml`
    writeFileSync(configPath, hypervisorTable(`default_vcpus = 1\ndefault_memory = 256\n${settings}`))
    return [name, { configPath }]
  })
  containerd = await Containerd.start({ handlers: Object.fromEntries(entries) })
})
afterAll(async () => {
  await containerd.close()
  files[Symbol.dispose]()
})

/** Processors and memory (MiB) of the machine as a container sees them. */
async function machineOf(pod: Pod, container: string): Promise<{ processors: number; memory: number }> {
  const { stdout } = await pod.exec(container, ['sh', '-c', 'nproc; grep MemTotal /proc/meminfo'])
  const [processors = '', memory = ''] = stdout.split('\n')
  return { processors: Number(processors), memory: Number(/\d+/.exec(memory)![0]) / 1024 }
}

const idle = ['sh', '-c', 'exec sleep 1000']
const limits = (cpus: number, memoryMiB: number) => ({
  linux: {
    resources: {
      cpuPeriod: 100_000n,
      cpuQuota: BigInt(cpus * 100_000),
      memoryLimitInBytes: BigInt(memoryMiB * MiB),
    },
    securityContext: {},
  },
})
/** Holds `megabytes` in memory and says so, if it lives. */
const hold = (megabytes: number) => [
  'sh',
  '-c',
  `dd if=/dev/zero of=/dev/null bs=${megabytes}M count=1 && echo alive`,
]

/** All of it, so that a failure says what was said. */
const lived = { exitCode: 0, stdout: 'alive\n', stderr: expect.any(String) }

/** What the host holds of a machine's memory, MiB. */
function heldMemory(pod: Pod): number {
  const uid = Number(
    readStatus(`/proc/${processesOf(pod).vmm}/status`)!
      .get('Uid')!
      .split('\t')[0],
  )
  // Firecracker's is nobody else's; of the others, processes of the same user may have the same pages.
  const kind = vmm.driver === 'firecracker' ? 'RssAnon' : 'RssShmem'
  const held = processesOfUid(uid).map((pid) => readStatus(`/proc/${pid}/status`)?.get(kind) ?? '0 kB')
  return Math.max(...held.map((text) => Number.parseInt(text, 10))) / 1024
}

/** Processes of a pod on the host. */
function processesOf(pod: Pod): { shim: number; vmm: number; virtiofsd: readonly number[] } {
  const facts = JSON.parse(readFileSync(sandboxPaths(defaultRunDir, 'k8s.io', pod.id).facts, 'utf8'))
  return { shim: facts.shimPid, vmm: facts.vmmPid, virtiofsd: facts.virtiofsdPids }
}

async function withPod(options: PodOptions, work: (pod: Pod) => Promise<void>): Promise<void> {
  const pod = await containerd.cri.runPod(options)
  try {
    await work(pod)
  } finally {
    await pod.remove()
  }
}

describe('a machine that follows its containers', () => {
  podTest(
    growing,
    async () => {
      await withPod({ handler: 'dynamic' }, async (pod) => {
        const bare = await pod.start(idle)
        const small = await machineOf(pod, bare)
        expect(small.processors).toBe(1)
        expect(small.memory).toBeLessThan(256)

        const large = await pod.start(idle, limits(2, 256))
        const grown = await machineOf(pod, large)
        expect(grown.processors).toBe(Math.min(3, availableParallelism()))
        expect(grown.memory - small.memory).toBeGreaterThan(240)
        expect(grown.memory - small.memory).toBeLessThan(260)
        const untouched = heldMemory(pod)
        expect(await pod.exec(large, hold(150))).toEqual(lived)
        // The host does not know what the guest has freed again; see below.
        expect(heldMemory(pod) - untouched).toBeGreaterThan(100)
        expect((await pod.exec(large, hold(400))).stdout).toBe('')

        await containerd.cri.calls.updateContainerResources({
          containerId: large,
          linux: { memoryLimitInBytes: BigInt(768 * MiB) },
        })
        const updated = await machineOf(pod, bare)
        expect(updated.memory - small.memory).toBeGreaterThan(740)
        expect(await pod.exec(large, hold(400))).toEqual(lived)

        await containerd.cri.calls.stopContainer({ containerId: large, timeout: 0n })
        await containerd.cri.calls.removeContainer({ containerId: large })
        // A memory module is not given back: the next container finds it there.
        const next = await pod.start(idle, limits(1, 512))
        expect((await machineOf(pod, next)).memory).toBe(updated.memory)
      })
    },
    slow(120_000),
  )

  // Limits of the pod as a whole: the kubelet gives them to its cgroup, and to each container that has none of its own.
  podTest(
    'grows once by what its containers may have together',
    async () => {
      const path = `/${podCgroup}/whole`
      const memory = hierarchyOf(cgroupHierarchies(), 'memory')!
      makeCgroup(memory, path)
      applySettings(memory, path, memorySettings(memory, 512 * MiB).slice(0, 1))
      try {
        const linux = { cgroupParent: path, securityContext: {} }
        await withPod({ handler: 'dynamic', config: { linux } }, async (pod) => {
          const bare = await pod.start(idle)
          const small = await machineOf(pod, bare)
          const kernels = async () => {
            const files = ['kernel/threads-max', 'net/ipv4/tcp_mem'].map((name) => `/proc/sys/${name}`)
            const { stdout } = await pod.exec(bare, ['cat', ...files, '/sys/fs/cgroup/pids.max'])
            const [all, , sockets, , own] = stdout.trim().split(/\s+/).map(Number)
            return { all: all!, own: own!, sockets: sockets! }
          }
          const before = await kernels()
          for (const _ of [1, 2, 3]) await pod.start(idle, limits(1, 512))
          const grown = (await machineOf(pod, bare)).memory - small.memory
          expect(grown).toBeGreaterThan(480)
          expect(grown).toBeLessThan(530)
          // An eighth of what came, in stacks of 16 KiB.
          const after = await kernels()
          expect(after.all - before.all).toBeGreaterThan(3500)
          // A container without a limit of its own may have most of them.
          expect(after.own - before.own).toBeGreaterThan(3000)
          // A sixteenth of it, in pages.
          expect(after.sockets - before.sockets).toBeGreaterThan(7000)
        })
      } finally {
        removeCgroup(memory, path)
      }
    },
    slow(120_000),
  )

  podTest(
    movable,
    async () => {
      await withPod({ handler: 'movable' }, async (pod) => {
        const bare = await pod.start(idle)
        const small = await machineOf(pod, bare)
        const large = await pod.start(idle, limits(1, 512))
        expect((await machineOf(pod, large)).memory - small.memory).toBeGreaterThan(480)
        expect(await pod.exec(large, hold(300))).toEqual(lived)
        await containerd.cri.calls.stopContainer({ containerId: large, timeout: 0n })
        await containerd.cri.calls.removeContainer({ containerId: large })
        // Nothing waits for that: the guest may be long about it.
        await eventually(
          'the memory to come back',
          async () => (await machineOf(pod, bare)).memory - small.memory < 200,
        )
      })
    },
    slow(120_000),
  )

  test(
    'gives the host what its containers have freed, where it is to be reclaimed',
    async () => {
      await withPod({ handler: 'reclaimed' }, async (pod) => {
        const large = await pod.start(idle, limits(1, 256))
        const untouched = heldMemory(pod)
        let most = 0
        const look = () => {
          most = Math.max(most, heldMemory(pod))
        }
        const looking = setInterval(look, slow(20))
        const held = pod.exec(large, hold(150)).finally(() => clearInterval(looking))
        expect(await held).toEqual(lived)
        // Of what is free the guest tells some moments later. On a busy host the timer has not had its turn before this.
        look()
        expect(most - untouched).toBeGreaterThan(100)
        await eventually('the memory to come back', () => heldMemory(pod) - untouched < 50 || undefined)
      })
    },
    slow(120_000),
  )

  test(
    'gives the host what a paused container has of files in its memory, and the files are whole afterwards',
    async () => {
      await withPod({ handler: 'reclaimed' }, async (pod) => {
        const large = await pod.start(idle, limits(1, 256))
        const shell = async (script: string) => (await pod.exec(large, ['sh', '-c', script])).stdout
        const untouched = heldMemory(pod)
        // Randomness is slow to make in an emulated guest, so a little of it is written again and again, by one process.
        const sum = await shell(
          'head -c 1000000 /dev/urandom >/one; cat $(yes /one | head -n 120) >/file; md5sum /file',
        )
        expect(heldMemory(pod) - untouched).toBeGreaterThan(80)
        expect(await containerd.ctr(['task', 'pause', large], { namespace: 'k8s.io' })).toMatchObject({
          code: 0,
        })
        await eventually('the memory to come back', () => heldMemory(pod) - untouched < 50 || undefined)
        expect(await containerd.ctr(['task', 'resume', large], { namespace: 'k8s.io' })).toMatchObject({
          code: 0,
        })
        expect(await shell('md5sum /file')).toBe(sum)
      })
    },
    slow(180_000),
  )

  test(
    'refuses a container that asks for too much memory; the text reaches the client, and the pod goes on',
    async () => {
      await withPod({ handler: 'limited' }, async (pod) => {
        const bare = await pod.start(idle)
        const refusal = await pod.start(idle, limits(1, 257)).catch(describeError)
        expect(refusal).toContain('[SANDBOX_TOO_LARGE] the pod needs a machine of 513 MiB')
        const fits = await pod.start(idle, limits(1, 256))
        if (reasonAgainst(growing) === undefined)
          expect((await machineOf(pod, fits)).memory).toBeGreaterThan(400)
        expect((await pod.exec(bare, ['echo', 'on'])).stdout).toBe('on\n')
      })
    },
    slow(120_000),
  )
})

test(
  'static: the machine has from the start what CRI announces, and never changes',
  async () => {
    const resources = { cpuPeriod: 100_000n, cpuQuota: 100_000n, memoryLimitInBytes: BigInt(384 * MiB) }
    const { linux } = PodSandboxConfig.fromPartial({
      linux: { cgroupParent: `/${podCgroup}`, resources, securityContext: {} },
    })
    await withPod({ handler: 'static', config: { linux: linux! } }, async (pod) => {
      const bare = await pod.start(idle)
      const machine = await machineOf(pod, bare)
      expect(machine.processors).toBe(2)
      expect(machine.memory).toBeGreaterThan(560)
      expect(machine.memory).toBeLessThan(640)
      const large = await pod.start(idle, limits(1, 384))
      expect(await machineOf(pod, large)).toEqual(machine)
    })
  },
  slow(60_000),
)

describe('sandbox_cgroup_only: the pod’s own cgroup counts the machine', () => {
  test(
    'shim, VMM and virtiofsd are in it, and the statistics of the pod are those of the machine',
    async () => {
      await withPod({ handler: 'counted' }, async (pod) => {
        const container = await pod.start(idle)
        const { shim, vmm, virtiofsd } = processesOf(pod)
        for (const hierarchy of cgroupHierarchies()) {
          const cgroups = [shim, vmm, ...virtiofsd].map((pid) => cgroupOf(pid, hierarchy))
          expect([...new Set(cgroups)]).toEqual([`/${podCgroup}/kata_${pod.id}`])
        }
        const { stats } = await containerd.cri.calls.listPodSandboxStats({ filter: { id: pod.id } })
        const { cpu, memory } = stats[0]!.linux!
        // The guest's kernel alone has touched more than this; what its container uses is a hundredth of it.
        expect(memory!.usageBytes!.value).toBeGreaterThan(BigInt(64 * MiB))
        expect(cpu!.usageCoreNanoSeconds!.value).toBeGreaterThan(100_000_000n)
        const figures = async () =>
          (await containerd.cri.calls.containerStats({ containerId: container })).stats!
        // The guest's kernel adds its counts up within two seconds: until then what is cached may seem to be all.
        const own = await eventually('a working set', async () => {
          const stats = await figures()
          return stats.memory!.workingSetBytes!.value > 0n ? stats : undefined
        })
        expect(own.memory!.workingSetBytes!.value).toBeLessThan(BigInt(32 * MiB))
        expect(own.cpu!.usageCoreNanoSeconds!.value).toBeGreaterThan(0n)
      })
    },
    slow(60_000),
  )

  test.each(['shim', 'vmm'] as const)(
    'it is gone after a %s that was killed',
    async (victim) => {
      const pod = await containerd.cri.runPod({ handler: 'counted' })
      process.kill(processesOf(pod)[victim], 'SIGKILL')
      // As a kubelet does: a call that met the dying machine is made again.
      const removed = () =>
        pod.remove().then(
          () => true,
          () => undefined,
        )
      await eventually('the pod to go', removed)
      // containerd has the remains of a lost shim cleared away on its own time.
      const path = `/${podCgroup}/kata_${pod.id}`
      const isGone = () =>
        cgroupHierarchies().every((hierarchy) => !existsSync(cgroupDirectory(hierarchy, path)))
      await eventually('its cgroups to go', () => isGone() || undefined)
    },
    slow(60_000),
  )
})

test('nothing is left once containerd is closed', async () => {
  await containerd.close()
  await expectNothingLeft(before, defaultRunDir)
})
