/**
 * The door to confinement. Every process that the runtime confines starts here: it is written into the ledger, launched, compared with the
 * requested posture, and recorded for audits. `confine.test.ts` fails if there is another way.
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

/** The request to start a confined process. */
export interface Start<L extends Launched> {
  /** The program's name in the ledger and in audits, `swtpm` for instance. */
  readonly name: string
  readonly launch: Launcher<L>
  readonly options?: LaunchOptions
  /** The sandbox's directory, owned by root, where audits find the posture records. */
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

/** Launches a process, and records it in an entry of the ledger. */
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
 * Compares the program and its companions with the requested posture, and records for audits what they may be from now on. A program that
 * `settles` does not say when it is ready: it is read again until its loader has closed its files.
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
 * Starts a process by any launcher, and returns once its posture is confirmed.
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

/** A process in our jail, completely described. */
export interface Confined {
  readonly name: string
  readonly spec: LaunchSpec
  /** The posture beyond that of a process that does nothing: filters, sockets, files. */
  readonly posture: PostureOptions
  /** Waits until the process has confined itself, as by its own filters. Absent for a program that does not say when. */
  readonly ready?: () => Promise<void>
  /** The posture allowed once the process has got its work. Absent: as it was checked. */
  readonly working?: (checked: ExpectedPosture) => ExpectedPosture
  readonly stateDir: string
  readonly log: Logger
  /** Aborts the start. */
  readonly signal: AbortSignal
}

/** {@link confineBy} for our jail. @throws KataError those of `launch` and of `ready` besides. */
export async function confine(ledger: Ledger, confined: Confined): Promise<JailedProcess> {
  const { name, spec, stateDir, log, signal, ready } = confined
  // Before the launch, because it notes what the descriptors refer to, and the caller may close them.
  const checked = expectedPosture(spec, confined.posture)
  const working = confined.working?.(checked) ?? checked
  const start = { name, stateDir, launch: inJail(spec, log), options: { signal } }
  return confineBy(ledger, heldAsProcess(name), start, async () => {
    await ready?.()
    return { checked, working, settles: ready === undefined }
  })
}
