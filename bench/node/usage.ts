/** What the long-lived processes of a node hold, read while it is at work. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { defaultRunDir, sandboxPaths } from '../../src/sandbox/records/paths.ts'
import { readMemory } from '../smaps.ts'
import { factsOf } from './faults.ts'
import { type Growth, growthOf, type Reading, whatGrew } from './growth.ts'
import type { KubeletPod } from './kubelet-pod.ts'

/** From getconf CLK_TCK: it is 100 on all Linux. */
const ticksPerSecond = 100

export interface ProcessGrowth extends Growth {
  readonly pod: string
  readonly process: string
}

export class Usage {
  readonly #readings = new Map<string, Reading[]>()
  readonly #begun = performance.now()

  /** Reads the processes of these pods. One that ended meanwhile is left out. */
  read(pods: readonly KubeletPod[]): void {
    for (const pod of pods.filter(({ upSince, sandboxId }) => upSince !== undefined && hasFacts(sandboxId)))
      for (const [name, pid] of processesOf(pod)) {
        const reading = readProcess(pid, (performance.now() - this.#begun) / 1000)
        if (reading === undefined) continue
        const key = `${pod.name} ${name} ${pid}`
        this.#readings.set(key, [...(this.#readings.get(key) ?? []), reading])
      }
  }

  /** The growth of each process of which there are enough readings. */
  growth(): ProcessGrowth[] {
    return [...this.#readings].flatMap(([key, readings]) => {
      const growth = growthOf(readings)
      const [pod = '', ...name] = key.split(' ').slice(0, -1)
      return growth === undefined ? [] : [{ pod, process: name.join(' '), ...growth }]
    })
  }
}

/** In words; empty when all are flat. */
export const grown = (all: readonly ProcessGrowth[]): string[] =>
  all.flatMap((growth) => whatGrew(`${growth.pod}’s ${growth.process}`, growth))

/** A pod that ended by itself has none; its kubelet tells of that. */
const hasFacts = (sandboxId: string): boolean =>
  existsSync(sandboxPaths(defaultRunDir, 'k8s.io', sandboxId).facts)

function processesOf(pod: KubeletPod): [string, number][] {
  const { shimPid, vmmPid, virtiofsdPids } = factsOf(pod)
  return [
    ['shim', shimPid],
    ['VMM', vmmPid],
    ...virtiofsdPids.map((pid, index): [string, number] => [`virtiofsd ${index}`, pid]),
  ]
}

function readProcess(pid: number, at: number): Reading | undefined {
  try {
    const { guest, translated, bootFiles, own } = readMemory(pid)
    const all = [guest, translated, bootFiles, own]
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [utime, stime] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14).map(Number)
    return {
      at,
      rss: all.reduce((sum, { rss }) => sum + rss, 0),
      pss: all.reduce((sum, { pss }) => sum + pss, 0),
      own: own.private,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      threads: readdirSync(`/proc/${pid}/task`).length,
      cpuSeconds: (utime! + stime!) / ticksPerSecond,
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}
