/** Takes everything that makes up a VMM's identity, in order. */
import type { Accelerator, AccountMode } from '../../config/config.ts'
import { KataError } from '../../errors.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { Logger } from '../../log.ts'
import type { Identity } from '../jail/launch-spec.ts'
import { createAccount } from './account.ts'
import { kvmGroups } from './kvm-group.ts'
import { type Lease, type LeaseOptions, leaseResource, takeLease } from './lease.ts'

export interface IdentityOptions extends LeaseOptions {
  readonly account: AccountMode
  readonly accelerator: Accelerator
  /** The device node whose group is handed over; default /dev/kvm. */
  readonly kvmNode?: string
  readonly userdbDir?: string
  readonly signal?: AbortSignal
}

/** Foreign accounts that may lie in the range before a start gives up. */
const maxTries = 8

/**
 * Takes a lease and makes its account. If the block's name or id is in use elsewhere, another block is tried.
 *
 * @throws KataError of {@link takeLease}, {@link createAccount} and {@link kvmGroups}. Nothing is held then.
 */
export async function takeIdentity(
  ledger: Ledger,
  options: IdentityOptions,
  log: Logger,
): Promise<{ identity: Identity; lease: Lease }> {
  const groups = kvmGroups(options.accelerator, log, options.kvmNode)
  const except = new Set(options.except ?? [])
  for (;;) {
    const lease = await takeLease(ledger, { ...options, except })
    try {
      await createAccount(ledger, lease, options.account, options)
      return { identity: { name: lease.name, uid: lease.uid, gid: lease.uid, groups }, lease }
    } catch (error) {
      const isThis = ({ token }: Lease) => token === lease.token
      const isForeign = error instanceof KataError && error.code === 'ACCOUNT_TAKEN'
      if (isForeign) ledger.amend(leaseResource, isThis, { ...lease, isForeign })
      await ledger.release(leaseResource, isThis)
      except.add(lease.k)
      if (!isForeign || except.size >= maxTries) throw error
      log.warn('an account lies in the range of VMM users', { name: lease.name, uid: lease.uid })
    }
  }
}

/** The identity when rootless is off: uid 0, in the same jail, without any capability. */
export function rootIdentity(): Identity {
  return { name: 'root', uid: 0, gid: 0, groups: [] }
}
