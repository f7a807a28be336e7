/** How a process is started before the door (confine.ts) checks it: in our jail, or by a program that builds its own jail. */
import type { ProcessRef } from '../linux/processes/proc.ts'
import type { Logger } from '../log.ts'
import { type LaunchOptions, launch } from './jail/jail.ts'
import type { JailedProcess, LaunchedProcess, LaunchSpec } from './jail/launch-spec.ts'
import type { ExpectedPosture } from './posture/posture-check.ts'
import { waiterPosture } from './posture/waiter-posture.ts'

/** The posture that a process must have. */
export interface Asked {
  /** Required when the process is checked. */
  readonly checked: ExpectedPosture
  /** Allowed from then on, once others have given it its work. */
  readonly working: ExpectedPosture
}

/** A process that accompanies the program and must be confined, too, such as its waiter. */
export interface Companion {
  /** Appended to the program's name in records, `waiter` for instance. */
  readonly name: string
  readonly ref: ProcessRef
  readonly asked: (program: Asked) => Asked
}

export interface Launched extends LaunchedProcess {
  readonly companions: readonly Companion[]
}

/**
 * Starts a process. `known` records processes in the ledger during the start, the program first. A launcher that waits for more than one
 * process calls it, so a crash in between leaves no process unrecorded. When the launcher throws, its caller ends the recorded processes.
 */
export type Launcher<L extends Launched> = (
  options: LaunchOptions,
  known: (...refs: ProcessRef[]) => void,
) => Promise<L>

/** Our own jail. @throws KataError those of {@link launch}. */
export const inJail =
  (spec: LaunchSpec, log: Logger): Launcher<JailedProcess & Launched> =>
  async (options) => {
    const jailed = await launch(spec, log, options)
    const asked = ({ checked, working }: Asked) => ({
      checked: waiterPosture(checked),
      working: waiterPosture(working),
    })
    return { ...jailed, companions: [{ name: 'waiter', ref: jailed.waiter, asked }] }
  }
