/** A guest between its first instruction and the sandbox that watches over it: its silence and its end are told here. */
import type { AgentConnection } from '../agent/connection.ts'
import type { Config } from '../config/config.ts'
import { KataError } from '../errors.ts'
import type { Share } from '../sharing/share.ts'
import type { AcceleratorChoice } from '../vmm/accelerator.ts'
import { guestSilentError, lastWords, vmEndError } from '../vmm/end-error.ts'
import type { Vmm } from '../vmm/vmm.ts'
import { endKnownMs, machineFirst } from './death.ts'
import { guestSilent, type HealthOptions, patienceMs, shareEnd, silence } from './health.ts'

export interface Beginning {
  /** Of the sandbox. */
  readonly id: string
  readonly vmm: Pick<Vmm, 'ended' | 'consoleTail'>
  /** What serves files while the machine runs, if anything does. */
  readonly share: Pick<Share, 'exited'> | undefined
  readonly agent: Pick<AgentConnection, 'health' | 'waitReady'>
  readonly config: Pick<Config, 'agent' | 'hypervisor'>
  /** What its processors are, and why. */
  readonly choice: Pick<AcceleratorChoice, 'accelerator' | 'reason'>
}

/**
 * Waits until the guest's agent answers.
 *
 * @throws KataError VMM_GUEST_SILENT after dial_timeout, or what became of the machine meanwhile; both with the last
 *   words of its console.
 */
export async function guestUp(beginning: Beginning): Promise<void> {
  const { id, vmm, agent, config, choice } = beginning
  const { dialTimeout } = config.agent
  const over = new AbortController()
  const ended = endOf(beginning)
  void ended.then((error) => over.abort(error))
  try {
    await agent.waitReady({ timeoutMs: dialTimeout * 1000, signal: over.signal })
  } catch (error) {
    if (!(error instanceof KataError)) throw error
    if (error.code === 'AGENT_UNREACHABLE') throw guestSilentError(id, dialTimeout, choice, vmm.consoleTail())
    // The agent's port closes with the machine, a moment before its end is fully known, which tells more.
    if (error.code === 'AGENT_DIED') throw (await Promise.race([ended, Bun.sleep(endKnownMs)])) ?? error
    throw over.signal.aborted ? over.signal.reason : error
  }
}

/**
 * Waits for what the guest, which has answered once, is told to do.
 *
 * @throws KataError SANDBOX_DIED when it falls silent meanwhile; what became of the machine if it ends; what `work` throws.
 */
export async function whileGuestLives<T>(
  work: Promise<T>,
  beginning: Beginning,
  { intervalMs }: Pick<HealthOptions, 'intervalMs'> = {},
): Promise<T> {
  const { id, vmm, agent } = beginning
  const done = new AbortController()
  const check = () => agent.health.check({}, { timeoutMs: patienceMs })
  const over = endOf(beginning)
  const failed = Promise.race([
    over,
    guestSilent({ ...(intervalMs && { intervalMs }), check, signal: done.signal }).then(
      () => new KataError('SANDBOX_DIED', { id, reason: silence, tail: lastWords(vmm.consoleTail()) }),
    ),
  ])
  try {
    return await Promise.race([work, failed.then((error) => Promise.reject(error))])
  } catch (error) {
    if (!(error instanceof KataError) || error.code !== 'AGENT_DIED') throw error
    throw (await Promise.race([over, Bun.sleep(endKnownMs)])) ?? error
  } finally {
    done.abort()
  }
}

/** What ends a beginning from outside. Virtiofsd goes with its machine, whose end tells more. */
function endOf({ id, vmm, share, config }: Beginning): Promise<KataError> {
  const machine = vmm.ended.then((end) => vmEndError(end, id, config.hypervisor.path))
  if (share === undefined) return machine
  const files = share.exited.then((exit) => {
    const reason = shareEnd(exit)
    const alone = new KataError('SANDBOX_DIED', { id, reason, tail: lastWords(vmm.consoleTail()) })
    return machineFirst(machine, alone)
  })
  return Promise.race([machine, files])
}
