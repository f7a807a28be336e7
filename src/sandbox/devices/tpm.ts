/** The pod's TPM: a process with a user of its own. */
import type { Config } from '../../config/config.ts'
import { startTpm, type Tpm } from '../../devices/swtpm.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { Logger } from '../../log.ts'
import { makePrivateDir } from '../../rootless/identity/private-dir.ts'
import { takeHelperUser } from '../helper-user.ts'

export interface TpmRequest {
  /** The sandbox's. */
  readonly id: string
  readonly namespace: string
  readonly config: Pick<Config, 'hypervisor'>
  readonly stateDir: string
  readonly log: Logger
  /** Aborts the start. */
  readonly signal: AbortSignal
}

/**
 * The TPM that the configuration asks for, if any. The caller closes the socket once the VMM has it.
 *
 * @throws KataError TPM_MISSING, TPM_FAILED, and what taking a user throws.
 */
export async function takeTpm(
  ledger: Ledger,
  { namespace, id, config, stateDir, log, signal }: TpmRequest,
): Promise<Tpm | undefined> {
  const { enableTpm, swtpmPath: program, landlock } = config.hypervisor
  if (!enableTpm) return undefined
  const { identity, lease } = await takeHelperUser(ledger, { namespace, id, config, log, signal })
  const privateDir = await makePrivateDir(ledger, lease, true)
  return startTpm(ledger, { program, identity, privateDir, stateDir, landlock, log, signal })
}
