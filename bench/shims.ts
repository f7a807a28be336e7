/** What one shim holds among ten idle pods under containerd: kata-ts's beside runc's. */
import { readFileSync } from 'node:fs'
import { Containerd } from '../e2e/containerd/containerd.ts'
import type { Pod } from '../e2e/containerd/cri.ts'
import { listPids, readProc } from '../src/linux/processes/proc.ts'
import type { SandboxFacts } from '../src/sandbox/records/facts.ts'
import { defaultRunDir, sandboxPaths } from '../src/sandbox/records/paths.ts'
import { mib, type Result } from './report.ts'
import { type Memory, readMemory } from './smaps.ts'
import { round } from './stats.ts'

const shimPods = 10
/** By then a shim has collected what its pod's start left. */
const settleMs = 8000

const handlers = ['runc', 'kata-ts'] as const
type ShimHandler = (typeof handlers)[number]

/** KiB of one shim, the mean over all. */
type ShimsData = Readonly<Record<ShimHandler, Memory>>

export async function benchShims(interrupted: AbortSignal): Promise<Result> {
  const containerd = await Containerd.start()
  try {
    const of = (handler: ShimHandler) => shimMemory(containerd, handler, interrupted)
    return report({ runc: await of('runc'), 'kata-ts': await of('kata-ts') })
  } finally {
    await containerd.close()
  }
}

/** The measured as a table. Pure. */
export function report(data: ShimsData): Result {
  const rows = handlers.map((handler) => {
    const { rss, pss, private: alone } = data[handler]
    return [handler, mib(rss), mib(pss), mib(alone)]
  })
  return {
    name: 'shims',
    what: `one shim of ${shimPods} idle pods under containerd, the mean over all`,
    tables: [{ header: ['one shim', 'RSS', 'PSS', 'private'], rows }],
    notes: [],
    data,
  }
}

async function shimMemory(
  { cri }: Containerd,
  handler: ShimHandler,
  interrupted: AbortSignal,
): Promise<Memory> {
  const pods: Pod[] = []
  let all: Memory[]
  try {
    for (let index = 0; index < shimPods; index++) {
      interrupted.throwIfAborted()
      pods.push(await cri.runPod({ handler }))
    }
    await Bun.sleep(settleMs)
    all = pods.map((pod) => readMemory(shimOf(pod, handler)).own)
  } finally {
    await Promise.all(pods.map((pod) => pod.remove()))
  }
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
