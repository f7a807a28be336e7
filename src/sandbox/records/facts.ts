/** What is known of a running sandbox, for `kata-ts inspect`, the demo and the tests: one JSON file of root's. */
import type { AgentFacts } from '../../agent/agent-facts.ts'
import { list, needed, record } from '../../json/compounds.ts'
import { bool, choice, number, text, uint32 } from '../../json/values.ts'
import { replaceFile } from '../../linux/files/replace-file.ts'
import { readState } from '../../rootless/state-file.ts'
import type { Timing } from '../start/timings.ts'
import { type OpenWall, readOpenWall } from './open-walls.ts'

export interface SandboxFacts {
  readonly id: string
  readonly namespace: string
  readonly shimPid: number
  readonly vmmPid: number
  /** Processes of virtiofsd, each daemon's supervising one first. The daemon of the writable volumes comes last. */
  readonly virtiofsdPids: readonly number[]
  /** Their uid on the host; 0 where a share could not be idmapped, or root was asked for. */
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
  /** The key of the template that the machine is a clone of; empty for one that booted. */
  readonly template: string
  /** The name under which its machine waited in the pool; absent when the machine was started for it. */
  readonly waited?: string | undefined
  /** The guest's agent, as it names itself. */
  readonly agent: Pick<AgentFacts, 'name' | 'version'>
  readonly vcpus: number
  readonly memoryMiB: number
  readonly timings: readonly Timing[]
}

export function writeFacts(path: string, facts: SandboxFacts): void {
  replaceFile(path, `${JSON.stringify(facts, null, 2)}\n`)
}

const numbers = list(uint32)
const factsReader = () =>
  record<SandboxFacts>({
    id: needed(text),
    namespace: needed(text),
    shimPid: needed(uint32),
    vmmPid: needed(uint32),
    virtiofsdPids: needed(numbers),
    virtiofsdUid: needed(uint32),
    rootless: needed(bool),
    user: needed(text),
    uid: needed(uint32),
    gid: needed(uint32),
    groups: needed(numbers),
    account: needed(text),
    privateDir: needed(text),
    vmm: needed(text),
    accelerator: needed(text),
    acceleratorReason: needed(text),
    openWalls: needed(list(readOpenWall)),
    kernel: needed(text),
    initrd: needed(text),
    template: needed(text),
    waited: text,
    agent: needed(
      record<SandboxFacts['agent']>({ name: needed(choice('kata-ts', 'kata')), version: needed(text) }),
    ),
    vcpus: needed(number),
    memoryMiB: needed(number),
    timings: needed(list(record<Timing>({ step: needed(text), at: needed(number), ms: needed(number) }))),
  })

/**
 * Undefined while there is none: the file comes once the guest is up, and goes with the sandbox.
 *
 * @throws KataError STATE_UNREADABLE.
 */
export function readFacts(path: string): SandboxFacts | undefined {
  return readState(factsReader(), path)
}
