/** Who the processes of a sandbox are on the host. */
import { mkdirSync, realpathSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Config } from '../../../config/config.ts'
import type { Ledger } from '../../../ledger/ledger.ts'
import { ownProcess } from '../../../linux/processes/proc.ts'
import type { IdRange } from '../../../linux/processes/user-namespace.ts'
import type { Logger } from '../../../log.ts'
import { sweepOncePerBoot } from '../../../rootless/identity/boot-sweep.ts'
import { rootIdentity, takeIdentity } from '../../../rootless/identity/identity.ts'
import { takeLease } from '../../../rootless/identity/lease.ts'
import { boundDir, makePrivateDir } from '../../../rootless/identity/private-dir.ts'
import { checkUpperIds, helperIds } from '../../../rootless/identity/uid-range.ts'
import type { Identity } from '../../../rootless/jail/launch-spec.ts'
import { needsKvmGroup, vmmFeatures } from '../../../vmm/create.ts'
import { leaseDir, type SandboxPaths } from '../../records/paths.ts'
import { treeResource } from '../../storage/tree.ts'

export interface SandboxUser {
  /** The VMM's. */
  readonly identity: Identity
  readonly privateDir: string
  /** The share daemon's; undefined when it is to be root. */
  readonly ids: IdRange | undefined
}

/** What is asked of the host; unit tests have their own. */
export interface UserHost {
  readonly checkUpperIds: typeof checkUpperIds
  readonly sweepOncePerBoot: typeof sweepOncePerBoot
  readonly takeIdentity: typeof takeIdentity
  readonly takeLease: typeof takeLease
  readonly makePrivateDir: typeof makePrivateDir
  readonly boundDir: typeof boundDir
}

const thisHost: UserHost = {
  checkUpperIds,
  sweepOncePerBoot,
  takeIdentity,
  takeLease,
  makePrivateDir,
  boundDir,
}

/**
 * The throw-away user with its private directory. With rootless off the VMM is root, in a directory that only root
 * enters. The share's daemon is not root for that: it still gets ids, without an account.
 *
 * @throws KataError UPPER_IDS_TAKEN, and those of {@link takeIdentity}, {@link takeLease} and {@link makePrivateDir}.
 */
export async function takeUser(
  ledger: Ledger,
  request: {
    readonly id: string
    readonly namespace: string
    readonly config: Config
    readonly paths: SandboxPaths
    readonly log: Logger
    /** Aborts the taking. */
    readonly signal?: AbortSignal
  },
  host = thisHost,
): Promise<SandboxUser> {
  const { id, namespace, config, paths, log, signal } = request
  const { rootless, virtioFsPrivilege, rootlessUidBase, rootlessUidBlocks, ...hypervisor } = config.hypervisor
  const range = { base: rootlessUidBase, blocks: rootlessUidBlocks }
  const owner = ownProcess()
  const options = { runDir: leaseDir, range, sandbox: `${namespace}/${id}`, owner, ...(signal && { signal }) }
  const daemonIsRoot = virtioFsPrivilege === 'root'
  if (!daemonIsRoot && hypervisor.sharedFs !== 'none') host.checkUpperIds()
  if (rootless || !daemonIsRoot) await host.sweepOncePerBoot({ runDir: leaseDir, range }, log)
  if (rootless) {
    const { rootlessAccount: account } = hypervisor
    // No group is needed when KVM comes as a descriptor or the VMM has its own node.
    const accelerator = needsKvmGroup(config) ? hypervisor.accelerator : 'tcg'
    const { identity, lease } = await host.takeIdentity(ledger, { ...options, account, accelerator }, log)
    const privateDir = await host.makePrivateDir(ledger, lease, vmmFeatures(config).ownSockets)
    return { identity, privateDir, ids: daemonIsRoot ? undefined : helperIds(lease) }
  }
  const ids = daemonIsRoot ? undefined : helperIds(await host.takeLease(ledger, options))
  const privateDir = paths.rootVmDir
  mkdirSync(dirname(privateDir), { recursive: true, mode: 0o700 })
  // The mount table shows real paths; the ledger must hold the same ones.
  const path = `${realpathSync(dirname(privateDir))}/${basename(privateDir)}`
  await ledger.take(treeResource, { path }, () => {
    mkdirSync(path, { mode: 0o700 })
    if (vmmFeatures(config).ownSockets) host.boundDir(path, 0)
  })
  return { identity: rootIdentity(), privateDir, ids }
}
