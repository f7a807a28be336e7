// test:vmm: every VMM
/** What a pod costs the host is what the statistics of its own container say; those of the others are the guest's. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { rmSync, writeFileSync } from 'node:fs'
import { readProc, readStatus } from '../../src/linux/processes/proc.ts'
import { readFacts } from '../../src/sandbox/records/facts.ts'
import { defaultRunDir, sandboxPaths } from '../../src/sandbox/records/paths.ts'
import { ownDirectory } from '../harness/directories.ts'
import { eventually } from '../harness/kata.ts'
import { memoryHierarchy, noMemory } from '../harness/memory-cgroup.ts'
import { slow } from '../harness/time.ts'
import { hypervisorTable, vmm } from '../harness/vmm.ts'
import { Containerd } from './containerd.ts'

setDefaultTimeout(slow(90_000))

const MiB = 1024 * 1024
let directory: string
let containerd: Containerd
beforeAll(async () => {
  directory = ownDirectory('/var/lib/kata-ts-e2e-conf-')
  const handler = (name: string, runtime: string) => {
    const configPath = `${directory}/${name}.toml`
    writeFileSync(configPath, `${hypervisorTable('default_memory = 256\n')}\n[runtime]\n${runtime}\n`)
    return { configPath }
  }
  const handlers = {
    outside: handler('outside', 'sandbox_cgroup_only = false'),
    inside: handler('inside', 'sandbox_cgroup_only = true'),
  }
  containerd = await Containerd.start({ handlers })
}, slow(120_000))
afterAll(async () => {
  await containerd?.close()
  rmSync(directory, { recursive: true })
}, slow(60_000))

interface Cost {
  /** Bytes. */
  readonly usage: number
  readonly workingSet: number
  readonly rss: number
  readonly cpuNs: number
  readonly pids: number
}

/** The figures of a task, as containerd gives them to whoever asks; of cgroup v1 or v2, as the host has it. */
async function costOf(id: string): Promise<Cost> {
  const { stdout, stderr } = await containerd.ctr(['task', 'metrics', '--format', 'json', id], {
    namespace: 'k8s.io',
  })
  if (stdout === '') throw new Error(stderr)
  const { memory, cpu, pids } = JSON.parse(stdout) as {
    memory: Record<string, number> & { usage: number | { usage: number } }
    cpu: { usage?: { total: number }; usage_usec?: number }
    pids: { current: number }
  }
  const usage = typeof memory.usage === 'number' ? memory.usage : memory.usage.usage
  return {
    usage,
    workingSet: usage - (memory.total_inactive_file ?? memory.inactive_file ?? 0),
    rss: memory.total_rss ?? memory.anon ?? 0,
    cpuNs: cpu.usage?.total ?? cpu.usage_usec! * 1000,
    pids: pids.current,
  }
}

/**
 * Of a process, bytes: its share of memory that is no file's. Pages of files, initrd and programs among them, are counted to whoever read
 * them first. Guest memory, which virtiofsd maps as well, is there once.
 */
function ownMemory(pid: number): number {
  const mappings = (readProc(`/proc/${pid}/smaps`) ?? '').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
  const kibibytes = mappings.map((mapping) => {
    const [, path = ''] = /^(?:\S+ +){5}(.*)$/m.exec(mapping) ?? []
    const isFile = path.startsWith('/') && !path.startsWith('/memfd:')
    return isFile ? 0 : Number(/^Pss: +(\d+) kB/m.exec(mapping)?.[1] ?? 0)
  })
  return kibibytes.reduce((one, other) => one + other, 0) * 1024
}
const threads = (pid: number) => Number(readStatus(`/proc/${pid}/status`)!.get('Threads'))

describe.skipIf(memoryHierarchy === undefined)(`a pod that idles${noMemory}`, () => {
  test.each(['outside', 'inside'])(
    'costs at least its VMM and virtiofsd, %s the pod’s cgroup',
    async (handler) => {
      const pod = await containerd.cri.runPod({ handler })
      try {
        const id = await pod.start(['sleep', '1000'])
        const { vmmPid, virtiofsdPids, shimPid } = readFacts(
          sandboxPaths(defaultRunDir, 'k8s.io', pod.id).facts,
        )!
        const memory = [vmmPid, ...virtiofsdPids].map(ownMemory)
        const processes = [vmmPid, shimPid, ...virtiofsdPids].map(threads)
        const total = (figures: number[]) => figures.reduce((one, other) => one + other)
        const cost = await costOf(pod.id)
        // The guest of a double is the memory of another process.
        expect(total(memory)).toBeGreaterThan(vmm.isDouble ? 0 : 64 * MiB)
        expect(cost.usage).toBeGreaterThanOrEqual(total(memory))
        expect(cost.workingSet).toBeGreaterThanOrEqual(total(memory))
        expect(cost.workingSet).toBeLessThan(1024 * MiB)
        expect(cost.rss).toBeGreaterThan(0)
        expect(cost.cpuNs).toBeGreaterThan(100_000_000)
        // Threads may come and go.
        expect(cost.pids).toBeGreaterThanOrEqual(total(processes) / 2)
        const own = await eventually('a working set', async () => {
          const { stats } = await containerd.cri.calls.containerStats({ containerId: id })
          return stats!.memory!.workingSetBytes!.value || undefined
        })
        expect(own).toBeLessThan(BigInt(32 * MiB))
      } finally {
        await pod.remove()
      }
    },
  )
})
