/** What one shim holds among ten idle pods under containerd: kata-ts's beside runc's. */
import { readFileSync } from 'node:fs'
import { Containerd } from '../e2e/containerd/containerd.ts'
import type { Pod } from '../e2e/containerd/cri.ts'
import { listPids, readProc } from '../src/linux/processes/proc.ts'
import type { SandboxFacts } from '../src/sandbox/records/facts.ts'
import { defaultRunDir, sandboxPaths } from '../src/sandbox/records/paths.ts'
import { type Memory, readMemory } from './smaps.ts'
import { round } from './stats.ts'

export const shimPods = 10
/** By then a shim has collected what its pod's start left. */
const settleMs = 8000

export type ShimHandler = 'runc' | 'kata-ts'

/** KiB of one shim, the mean over all. */
export async function measureShims(): Promise<Readonly<Record<ShimHandler, Memory>>> {
  const containerd = await Containerd.start()
  try {
    return { runc: await shimMemory(containerd, 'runc'), 'kata-ts': await shimMemory(containerd, 'kata-ts') }
  } finally {
    await containerd.close()
  }
}

async function shimMemory({ cri }: Containerd, handler: ShimHandler): Promise<Memory> {
  const pods: Pod[] = []
  for (let index = 0; index < shimPods; index++) pods.push(await cri.runPod({ handler }))
  await Bun.sleep(settleMs)
  const all = pods.map((pod) => readMemory(shimOf(pod, handler)).own)
  await Promise.all(pods.map((pod) => pod.remove()))
  const mean = (field: keyof Memory) =>
    round(all.reduce((sum, memory) => sum + memory[field], 0) / all.length)
  return { rss: mean('rss'), pss: mean('pss'), private: mean('private') }
}

function shimOf({ id }: Pod, handler: ShimHandler): number {
  if (handler === 'kata-ts') {
    const { facts } = sandboxPaths(defaultRunDir, 'k8s.io', id)
    return (JSON.parse(readFileSync(facts, 'utf8')) as SandboxFacts).shimPid
  }
  const found = listPids().find((pid) => {
    const argv = (readProc(`/proc/${pid}/cmdline`) ?? '').split('\0')
    return argv[0]?.endsWith('containerd-shim-runc-v2') && argv.includes(id)
  })
  if (found === undefined) throw new Error(`pod ${id} has no shim of runc`)
  return found
}
