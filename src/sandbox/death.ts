/** What ends a sandbox that nobody asked to end: of all that breaks then, the first cause. */
import type { AgentConnection } from '../agent/connection.ts'
import type { CgroupPlacement } from '../cgroups/placement.ts'
import { KataError } from '../errors.ts'
import type { Share } from '../sharing/share.ts'
import { endSentence, lastWords, panicWords } from '../vmm/end-error.ts'
import type { Vmm } from '../vmm/vmm.ts'
import { guestSilent, type HealthOptions, patienceMs, shareEnd, silence } from './health.ts'

/** How long the end of a machine may take to be known after its sockets closed, milliseconds. */
export const endKnownMs = 3000
/** How long after virtiofsd's end, which follows that of its machine, the latter may take to be known, milliseconds. */
const machineFirstMs = 1000

export interface Mortal {
  /** Of the sandbox. */
  readonly id: string
  readonly vmm: Pick<Vmm, 'ended' | 'consoleTail'>
  readonly share: Pick<Share, 'exited'>
  readonly agent: Pick<AgentConnection, 'health' | 'closed'>
  readonly cgroups: Pick<CgroupPlacement, 'outOfMemory'>
  /** Resolves with the reason when the machine is to end for what its guest did or did not do. */
  readonly condemned?: Promise<string>
  /** {@link HealthOptions.heldUp}. */
  readonly heldUp?: NonNullable<HealthOptions['heldUp']>
}

/** Settles with SANDBOX_DIED once it is dead; never once `ending` fires. */
export async function deathOf(mortal: Mortal, ending: AbortSignal): Promise<KataError> {
  const { id, vmm, share, agent, cgroups, condemned, heldUp } = mortal
  const check = () => agent.health.check({}, { timeoutMs: patienceMs })
  const machine = vmm.ended.then(endSentence)
  const reason = await Promise.race([
    guestSilent({ check, signal: ending, ...(heldUp && { heldUp }) }).then(() => silence),
    machine,
    ...(condemned === undefined ? [] : [condemned]),
    share.exited.then((exit) => machineFirst(machine, shareEnd(exit))),
    agent.closed.then(({ rawMessage }) =>
      machineFirst(machine, `the guest agent went away (${rawMessage})`, endKnownMs),
    ),
  ])
  if (ending.aborted) return new Promise<never>(() => {})
  const console = vmm.consoleTail()
  return new KataError('SANDBOX_DIED', {
    id,
    reason: cgroups.outOfMemory()?.rawMessage ?? reason,
    tail: panicWords(console) ?? lastWords(console),
  })
}

/** What goes with its machine is told by the machine's end, which gets a moment to be known. */
export async function machineFirst<T>(
  machine: Promise<T>,
  alone: T,
  milliseconds = machineFirstMs,
): Promise<T> {
  return (await Promise.race([machine, Bun.sleep(milliseconds)])) ?? alone
}
