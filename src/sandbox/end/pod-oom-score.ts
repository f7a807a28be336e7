/** Gives the processes of a pod the oom_score_adj that its containers were given: the kubelet's by quality of service, or a user's. */
import { writeOomScore } from '../../linux/processes/oom-score.ts'
import { isAlive } from '../../linux/processes/proc.ts'
import type { Logger } from '../../log.ts'
import { isPodSandbox } from '../../oci/annotations.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { defaultPodScore, leastPodScore } from '../../rootless/jail/oom-score.ts'
import { readPostureRecords, recordPosture } from '../../rootless/posture/posture-record.ts'

const greatest = 1000

/** Undefined for a pod's own container: every pause container of Kubernetes has the same score, which says nothing about its pod. */
export function oomScoreOf(spec: OciSpec): number | undefined {
  if (isPodSandbox(spec)) return undefined
  const { oomScoreAdj = defaultPodScore } = spec.process ?? {}
  return Math.min(Math.max(oomScoreAdj, leastPodScore), greatest)
}

export class PodOomScore {
  readonly #stateDir: string
  readonly #log: Logger
  readonly #scores = new Map<string, number>()
  #score = defaultPodScore

  constructor(stateDir: string, log: Logger) {
    this.#stateDir = stateDir
    this.#log = log
  }

  /** Adds a container. All share one machine, which gets the lowest score among them. */
  add(containerId: string, spec: OciSpec): void {
    const score = oomScoreOf(spec)
    if (score !== undefined) this.#scores.set(containerId, score)
    this.#apply()
  }

  remove(containerId: string): void {
    if (this.#scores.delete(containerId)) this.#apply()
  }

  #apply(): void {
    const score = this.#scores.size === 0 ? defaultPodScore : Math.min(...this.#scores.values())
    if (score === this.#score) return
    this.#score = score
    this.spread()
  }

  /** Gives the score to processes that have come since it was found. */
  spread(): void {
    const score = this.#score
    const others = readPostureRecords(this.#stateDir).filter(({ expected }) => expected.oomScoreAdj !== score)
    for (const record of others) {
      if (isAlive(record.ref) && writeOomScore(record.ref.pid, score))
        recordPosture(this.#stateDir, { ...record, expected: { ...record.expected, oomScoreAdj: score } })
      else this.#log.warn('the oom_score_adj of a process stays', { process: record.name, score })
    }
  }
}
