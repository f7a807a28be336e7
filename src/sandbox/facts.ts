/** What is known of a running sandbox, for `kata-ts inspect`, the demo and the tests: one JSON file of root's. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { AgentFacts } from '../agent/agent-facts.ts'
import type { OpenWall } from './open-walls.ts'
import type { Timing } from './timings.ts'

export interface SandboxFacts {
  readonly id: string
  readonly namespace: string
  readonly shimPid: number
  readonly vmmPid: number
  /** Processes of virtiofsd, of each the supervising one first; those of the writable volumes' share, if there is one, come last. */
  readonly virtiofsdPids: readonly number[]
  /** Who they are on the host; 0 where a share could not be idmapped, or root was asked for. */
  readonly virtiofsdUid: number
  readonly rootless: boolean
  /** `kata-<n>`, or root. */
  readonly user: string
  readonly uid: number
  readonly gid: number
  readonly groups: readonly number[]
  readonly account: string
  readonly privateDir: string
  readonly vmm: string
  readonly accelerator: string
  readonly acceleratorReason: string
  readonly openWalls: readonly OpenWall[]
  readonly kernel: string
  readonly initrd: string
  /** Who answers in the guest, as it says of itself. */
  readonly agent: Pick<AgentFacts, 'name' | 'version'>
  readonly vcpus: number
  readonly memoryMiB: number
  readonly timings: readonly Timing[]
}

/** Replaces the file as a whole, so that a reader never sees half of it. */
export function writeFacts(path: string, facts: SandboxFacts): void {
  writeFileSync(`${path}.tmp`, `${JSON.stringify(facts, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${path}.tmp`, path)
}

/** Undefined while there is none: the file comes once the guest is up, and goes with the sandbox. */
export function readFacts(path: string): SandboxFacts | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as SandboxFacts
  } catch {
    return undefined
  }
}
