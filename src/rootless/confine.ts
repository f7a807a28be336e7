/**
 * The door to confinement. Every process that the runtime confines comes through here: written into the ledger, launched, compared
 * with what was asked for, and noted for audits. `confine.test.ts` keeps other ways out.
 */
import type { Ledger, LedgerEntry, ResourceKind } from '../ledger/ledger.ts'
import { type ProcessData, processResource } from '../ledger/process-resource.ts'
import type { ProcessRef } from '../linux/processes/proc.ts'
import type { Logger } from '../log.ts'
import type { LaunchOptions } from './jail/jail.ts'
import type { JailedProcess, LaunchSpec } from './jail/launch-spec.ts'
import { type Asked, inJail, type Launched, type Launcher } from './launcher.ts'
import {
  assertPosture,
  type ExpectedPosture,
  expectedPosture,
  type PostureOptions,
  settledPosture,
} from './posture/posture-check.ts'
import { recordPosture } from './posture/posture-record.ts'

/** A start that is to be confined. */
export interface Start<L extends Launched> {
  /** The program's name in the ledger and in audits, `swtpm` for instance. */
  readonly name: string
  readonly launch: Launcher<L>
  readonly options?: LaunchOptions
  /** Root-owned directory of the sandbox, where audits find what was promised. */
  readonly stateDir: string
}

/** How the ledger holds what a start has launched. */
export interface HeldAs<Data> {
  readonly kind: ResourceKind<Data>
  /** From the processes that are known so far: the program, then its companions. */
  readonly data: (refs: readonly ProcessRef[]) => Data
}

/** The program alone: a companion ends with it. */
export const heldAsProcess = (name: string): HeldAs<ProcessData> => ({
  kind: processResource,
  data: ([ref]) => ({ name, ...(ref === undefined ? {} : { ref }) }),
})

/** Launches into a ledger's entry, which knows the processes from then on. */
export async function launchHeld<L extends Launched, Data>(
  { amend }: LedgerEntry<Data>,
  { data }: HeldAs<Data>,
  { launch, options = {} }: Start<L>,
): Promise<L> {
  const known = (...refs: ProcessRef[]) => amend(data(refs))
  const launched = await launch(options, known)
  known(launched.ref, ...launched.companions.map(({ ref }) => ref))
  return launched
}

/**
 * Compares the program and its companions with what was asked for, and notes for audits what they may be from now on. A program
 * that `settles` does not tell when it is ready: it is looked at until its loader has let go of what it opened.
 *
 * @throws KataError POSTURE_DIFFERS, PROCESS_GONE; nothing is noted then.
 */
export async function confirmLaunched(
  { name, stateDir }: Pick<Start<Launched>, 'name' | 'stateDir'>,
  { ref, landlock, companions }: Launched,
  asked: Asked & { readonly settles?: boolean },
): Promise<void> {
  if (asked.settles) await settledPosture(ref.pid, asked.checked)
  else assertPosture(ref.pid, asked.checked)
  const beside = companions.map((companion) => ({ ...companion, ...companion.asked(asked) }))
  for (const companion of beside) await settledPosture(companion.ref.pid, companion.checked)
  for (const companion of beside)
    recordPosture(stateDir, {
      name: `${name}-${companion.name}`,
      ref: companion.ref,
      expected: companion.working,
    })
  recordPosture(stateDir, { name, ref, expected: asked.working, ...(landlock && { landlock }) })
}

/**
 * Starts a process by any launcher and returns once it is what it was asked to be.
 *
 * @throws KataError those of the launcher and of `ask`, POSTURE_DIFFERS, PROCESS_GONE; no process is left then.
 */
export function confineBy<L extends Launched, Data>(
  ledger: Ledger,
  heldAs: HeldAs<Data>,
  start: Start<L>,
  ask: (launched: L) => Promise<Asked & { readonly settles?: boolean }>,
): Promise<L> {
  return ledger.take(heldAs.kind, heldAs.data([]), async (entry) => {
    const launched = await launchHeld(entry, heldAs, start)
    await confirmLaunched(start, launched, await ask(launched))
    return launched
  })
}

/** A process in our jail that its description says all of. */
export interface Confined {
  readonly name: string
  readonly spec: LaunchSpec
  /** What differs from a process that does nothing: its filters, sockets, files. */
  readonly posture: PostureOptions
  /** Waits until the process has put on all that it puts on itself; absent for a program that cannot tell. */
  readonly ready?: () => Promise<void>
  /** What it may be once others have given it its work; as it was checked, if absent. */
  readonly working?: (checked: ExpectedPosture) => ExpectedPosture
  readonly stateDir: string
  readonly log: Logger
  /** Gives the start up. */
  readonly signal: AbortSignal
}

/** {@link confineBy} for our jail. @throws KataError those of `launch` and of `ready` besides. */
export async function confine(ledger: Ledger, confined: Confined): Promise<JailedProcess> {
  const { name, spec, stateDir, log, signal, ready } = confined
  // Before the launch: it notes what the descriptors refer to, which are the caller's to close.
  const checked = expectedPosture(spec, confined.posture)
  const working = confined.working?.(checked) ?? checked
  const start = { name, stateDir, launch: inJail(spec, log), options: { signal } }
  return confineBy(ledger, heldAsProcess(name), start, async () => {
    await ready?.()
    return { checked, working, settles: ready === undefined }
  })
}
