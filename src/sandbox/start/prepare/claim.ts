/** The name of a sandbox, claimed before anything is taken for it. */
import { chmodSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { requireConfiguredFiles } from '../../../config/files/configured-files.ts'
import { KataError } from '../../../errors.ts'
import type { Ledger } from '../../../ledger/ledger.ts'
import { requireRootsDirectory } from '../../../linux/files/roots-directory.ts'
import { ownProcess, type ProcessRef } from '../../../linux/processes/proc.ts'
import type { Logger } from '../../../log.ts'
import { shareWay } from '../../disks/share-way.ts'
import { ownerResource } from '../../records/owner.ts'
import { leaseDir, type SandboxPaths, sandboxPaths } from '../../records/paths.ts'
import { requireCopyable } from '../../storage/disk-share.ts'
import type { StartHost } from '../host.ts'
import type { SandboxRequest } from '../request.ts'

/**
 * Checks what can be checked before anything is taken, and returns where the sandbox is going to be.
 *
 * @throws KataError ID_INVALID, and those of {@link requireConfiguredFiles} and {@link requireCopyable}.
 */
export function requireStartable(
  request: Pick<SandboxRequest, 'runDir' | 'namespace' | 'id' | 'config' | 'container'>,
): SandboxPaths {
  const paths = requireMachine(request)
  if (shareWay(request.config) === 'none') requireCopyable(request.container)
  return paths
}

/** The same for a machine alone. @throws KataError ID_INVALID, and those of {@link requireConfiguredFiles}. */
export function requireMachine({
  runDir,
  namespace,
  id,
  config,
}: Pick<SandboxRequest, 'runDir' | 'namespace' | 'id' | 'config'>): SandboxPaths {
  const paths = sandboxPaths(runDir, namespace, id)
  requireConfiguredFiles(config)
  return paths
}

/** The directory is the claim: of two starts of one name the second is refused. @throws KataError SANDBOX_EXISTS, PRIVATE_DIR_PARENT_UNSAFE. */
export function claimStateDir(
  { runDir, stateDir, exportDir }: Pick<SandboxPaths, 'runDir' | 'stateDir' | 'exportDir'>,
  leases = leaseDir,
): void {
  mkdirSync(runDir, { recursive: true, mode: 0o711 })
  requireRootsDirectory(runDir)
  // A daemon without rights walks through these, whatever umask or earlier version made them.
  for (const directory of [leases, dirname(exportDir)]) {
    mkdirSync(directory, { recursive: true })
    chmodSync(directory, 0o711)
  }
  mkdirSync(dirname(stateDir), { recursive: true, mode: 0o700 })
  try {
    mkdirSync(stateDir, { mode: 0o700 })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new KataError('SANDBOX_EXISTS', { path: stateDir }, { cause })
  }
}

/** Claims the name and opens the ledger of what is taken for it. @throws KataError SANDBOX_EXISTS. */
export function claimSandbox(
  host: Pick<StartHost, 'claimStateDir' | 'openLedger'>,
  { log, failpoints }: Pick<SandboxRequest, 'log' | 'failpoints'>,
  paths: SandboxPaths,
): Ledger {
  host.claimStateDir(paths)
  return host.openLedger(paths, log, failpoints)
}

/** Writes this process down as the sandbox's owner, before anything else: `gc` takes a sandbox without one for left. What earlier boots left on disks is removed. */
export async function claimOwner(
  { sweepDisks }: Pick<StartHost, 'sweepDisks'>,
  ledger: Ledger,
  log: Logger,
): Promise<ProcessRef> {
  const shim = ownProcess()
  await ledger.take(ownerResource, shim, () => {})
  for (const swept of sweepDisks())
    log[swept.failure === undefined ? 'info' : 'warn']('disks of an earlier boot', { ...swept })
  return shim
}
