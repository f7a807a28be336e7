/**
 * The door to confinement, for a process that its description says all of: launched in its jail, written down, looked at once
 * it is ready, compared with what was asked for, and noted for audits.
 */
import type { Ledger } from '../ledger/ledger.ts'
import { processResource } from '../ledger/process-resource.ts'
import type { Logger } from '../log.ts'
import { launch } from './jail/jail.ts'
import type { JailedProcess, LaunchSpec } from './jail/launch-spec.ts'
import {
  assertPosture,
  type ExpectedPosture,
  expectedPosture,
  type PostureOptions,
  settledPosture,
} from './posture/posture-check.ts'
import { recordPosture } from './posture/posture-record.ts'
import { confirmWaiter } from './posture/waiter-posture.ts'

export interface Confined {
  /** What it is called in the ledger and in audits, `swtpm` for instance. */
  readonly name: string
  readonly spec: LaunchSpec
  /** What differs from a process that does nothing: its filters, sockets, files. */
  readonly posture: PostureOptions
  /**
   * Waits until the process has put on all that it puts on itself. A program that cannot tell is looked at until its loader
   * has let go of what it opened.
   */
  readonly ready?: () => Promise<void>
  /** What it may be once others have given it its work; as it was checked, if absent. */
  readonly working?: (checked: ExpectedPosture) => ExpectedPosture
  /** Root-owned directory of the sandbox, where audits find what was promised. */
  readonly stateDir: string
  readonly log: Logger
  /** Gives the start up. */
  readonly signal: AbortSignal
}

/**
 * Starts the process and returns once it is what it was asked to be.
 *
 * @throws KataError those of {@link launch}, of `ready`, POSTURE_DIFFERS, PROCESS_GONE; no process is left then.
 */
export function confine(ledger: Ledger, confined: Confined): Promise<JailedProcess> {
  const { name, spec, stateDir, log, signal } = confined
  return ledger.take(processResource, { name }, async (entry) => {
    // Before the launch: it notes what the descriptors refer to, which are the caller's to close.
    const checked = expectedPosture(spec, confined.posture)
    const launched = await launch(spec, log, { signal })
    const { ref, waiter, landlock } = launched
    entry.amend({ name, ref })
    if (confined.ready === undefined) await settledPosture(ref.pid, checked)
    else {
      await confined.ready()
      assertPosture(ref.pid, checked)
    }
    const expected = confined.working?.(checked) ?? checked
    await confirmWaiter(stateDir, { name, ref: waiter, expected })
    recordPosture(stateDir, { name, ref, expected, ...(landlock === undefined ? {} : { landlock }) })
    return launched
  })
}
