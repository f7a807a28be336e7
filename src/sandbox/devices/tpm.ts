/** The pod's TPM, which is a process and a user of its own. */
import { startTpm, type Tpm } from '../../devices/swtpm.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { processRef } from '../../linux/processes/proc.ts'
import { takeIdentity } from '../../rootless/identity/identity.ts'
import { makePrivateDir } from '../../rootless/identity/private-dir.ts'
import { leaseDir, type SandboxPaths } from '../records/paths.ts'
import type { SandboxRequest } from '../start/create.ts'

/**
 * The TPM that the configuration asks for, if any. Its user is a second lease, so that it shares no id with anybody; the
 * caller closes the socket once the VMM has it.
 *
 * @throws KataError TPM_MISSING, TPM_FAILED, and what taking a user throws.
 */
export async function takeTpm(
  { namespace, id, config, log, signal }: SandboxRequest,
  { stateDir }: SandboxPaths,
  ledger: Ledger,
): Promise<Tpm | undefined> {
  const {
    enableTpm,
    rootlessUidBase: base,
    rootlessUidBlocks: blocks,
    swtpmPath: program,
    landlock,
  } = config.hypervisor
  if (!enableTpm) return undefined
  const { identity, lease } = await takeIdentity(
    ledger,
    {
      ...{ runDir: leaseDir, range: { base, blocks }, sandbox: `${namespace}/${id}` },
      ...{ owner: processRef(process.pid)!, account: 'none', accelerator: 'tcg', signal },
    },
    log,
  )
  const privateDir = await makePrivateDir(ledger, lease, true)
  return startTpm(ledger, { program, identity, privateDir, stateDir, landlock, log, signal })
}
