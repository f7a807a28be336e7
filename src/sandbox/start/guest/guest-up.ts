/** Watches a guest from its first instruction on, until its sandbox does. */
import type { AgentConnection } from '../../../agent/connection.ts'
import type { Config } from '../../../config/config.ts'
import { KataError } from '../../../errors.ts'
import type { AcceleratorChoice } from '../../../vmm/kvm/accelerator.ts'
import { guestSilentError } from '../../../vmm/monitor/end-error.ts'
import type { Vmm } from '../../../vmm/vmm.ts'
import type { MachineEnd } from '../../end/machine-end.ts'
import { type HealthOptions, tellSilence } from '../../guest/health.ts'

export interface Beginning {
  /** The sandbox's. */
  readonly id: string
  readonly vmm: Pick<Vmm, 'consoleTail'>
  readonly agent: Pick<AgentConnection, 'health' | 'waitReady'>
  readonly config: Pick<Config, 'agent'>
  /** The accelerator, and the reason for it. */
  readonly choice: Pick<AcceleratorChoice, 'accelerator' | 'reason'>
  readonly end: MachineEnd
}

/**
 * Waits until the guest's agent answers.
 *
 * @throws KataError VMM_GUEST_SILENT after dial_timeout, or what became of the machine meanwhile; both with the last
 *   words of its console.
 */
export function guestUp({ id, vmm, agent, config, choice, end }: Beginning): Promise<void> {
  const { dialTimeout } = config.agent
  const ready = agent.waitReady({ timeoutMs: dialTimeout * 1000, signal: end.over })
  return end.during(
    ready.catch((error) => {
      if (!(error instanceof KataError && error.code === 'AGENT_UNREACHABLE')) throw error
      end.tell('unanswered', guestSilentError(id, dialTimeout, choice, vmm.consoleTail()))
      // A sign of the machine's end may still be on its way, and says more.
      return new Promise<never>(() => {})
    }),
  )
}

/**
 * Waits for `work`, a call to a guest that has answered before.
 *
 * @throws KataError SANDBOX_DIED when it falls silent meanwhile; what became of the machine if it ends; what `work` throws.
 */
export async function whileGuestLives<T>(
  work: Promise<T>,
  { agent, end }: Pick<Beginning, 'agent' | 'end'>,
  options: Pick<HealthOptions, 'intervalMs'> = {},
): Promise<T> {
  const done = new AbortController()
  const signal = AbortSignal.any([done.signal, end.over])
  tellSilence(agent, end, { ...options, signal })
  try {
    return await end.during(work)
  } finally {
    done.abort()
  }
}
