/** How a process is started before the door (confine.ts) looks at it: in our jail, or by a program that builds a jail of its own. */
import type { ProcessRef } from '../linux/processes/proc.ts'
import type { Logger } from '../log.ts'
import { type LaunchOptions, launch } from './jail/jail.ts'
import type { JailedProcess, LaunchedProcess, LaunchSpec } from './jail/launch-spec.ts'
import type { ExpectedPosture } from './posture/posture-check.ts'
import { waiterPosture } from './posture/waiter-posture.ts'

/** What was asked of a process. */
export interface Asked {
  /** What it has to be when it is looked at. */
  readonly checked: ExpectedPosture
  /** What it may be from then on, once others have given it its work. */
  readonly working: ExpectedPosture
}

/** A process that stands beside the program and must be confined as well: its waiter for instance. */
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
 * Starts a process. `known` writes processes into the ledger while the start goes on, the program first; a launcher that waits for
 * more than one of them calls it, so that a crash meanwhile leaves none unknown. When it throws, its caller ends what is known.
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
