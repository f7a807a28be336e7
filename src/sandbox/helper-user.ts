/** The user of one process that serves a machine beside its VMM. It comes from a lease of its own, so that no other process has its id. */
import type { Config } from '../config/config.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { ownProcess } from '../linux/processes/proc.ts'
import type { Logger } from '../log.ts'
import { takeIdentity } from '../rootless/identity/identity.ts'
import { leaseDir } from './records/paths.ts'

export interface HelperRequest {
  readonly id: string
  readonly namespace: string
  readonly config: Pick<Config, 'hypervisor'>
  readonly log: Logger
  /** Gives the taking up. */
  readonly signal: AbortSignal
}

/** Takes a user without an account, because nothing needs its name, and without the group of KVM. @throws KataError as {@link takeIdentity}. */
export function takeHelperUser(
  ledger: Ledger,
  { id, namespace, config, log, signal }: HelperRequest,
): ReturnType<typeof takeIdentity> {
  const { rootlessUidBase: base, rootlessUidBlocks: blocks } = config.hypervisor
  const lease = {
    runDir: leaseDir,
    range: { base, blocks },
    sandbox: `${namespace}/${id}`,
    owner: ownProcess(),
  }
  return takeIdentity(ledger, { ...lease, account: 'none', accelerator: 'tcg', signal }, log)
}
