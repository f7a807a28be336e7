/** Where a sandbox keeps root's files. Only what the VMM must open lies elsewhere, in its private directory. */
import { KataError } from '../../errors.ts'
import { isIdentifier } from '../../identifier.ts'
import { bootId } from '../../linux/processes/proc.ts'

export const defaultRunDir = '/run/kata-ts'

/** Uid reservations and outcomes of KVM trials lie here, whatever run directory a sandbox has: they belong to the host. */
export const leaseDir = defaultRunDir

/** One directory for each boot, which tells what an earlier boot left. */
export const disksDir = '/var/lib/kata-ts/disks'

export interface SandboxPaths {
  /** `/run/kata-ts`: leases, shim sockets. */
  readonly runDir: string
  /** `<runDir>/<namespace>/<id>`, 0700 root: everything of one sandbox. */
  readonly stateDir: string
  /** The link to it by which a sandbox is found whose machine waited in the pool; only the process that named it so knows it apart. */
  readonly name?: string
  readonly ledger: string
  /** Facts for `kata-ts inspect`. */
  readonly facts: string
  /** Stands in for `/run/user/<uid>` when the VMM runs as root; short because socket paths are limited. */
  readonly rootVmDir: string
  /** Where the share is shown to its daemon: a directory that any user may walk to, whatever run directory it is. */
  readonly exportDir: string
  /** The same for the share of its writable volumes. */
  readonly volumesExportDir: string
  /** Root file systems as disks, for VMMs that need them so; not in memory, as the run directory is. */
  readonly diskDir: string
}

/** Where the machines are that wait for a pod, and what stands for a namespace in their names. */
export const poolName = 'pool'

/** Names in the run directory that are not namespaces: promises, networks, waiting machines, shim sockets, shares, uid reservations, root VMMs' directories. */
export const reservedNames: ReadonlySet<string> = new Set([
  'huge-pages',
  'networks',
  poolName,
  's',
  'share',
  'uids',
  'vm',
])

/** @throws KataError ID_INVALID. */
export function sandboxPaths(runDir: string, namespace: string, id: string): SandboxPaths {
  for (const value of [namespace, id]) {
    if (!isIdentifier(value) || (value === namespace && reservedNames.has(value)))
      throw new KataError('ID_INVALID', { id: value })
  }
  return pathsOf(runDir, namespace, id)
}

/** Those of a machine that waits for its pod. */
export const waitingPaths = (runDir: string, id: string): SandboxPaths => pathsOf(runDir, poolName, id)

function pathsOf(runDir: string, namespace: string, id: string): SandboxPaths {
  const stateDir = `${runDir}/${namespace}/${id}`
  const exportDir = `${leaseDir}/share/${sandboxKey(`${runDir}/${namespace}`, id)}`
  return {
    runDir,
    stateDir,
    ledger: `${stateDir}/ledger.jsonl`,
    facts: `${stateDir}/sandbox.json`,
    rootVmDir: `${runDir}/vm/${sandboxKey(namespace, id)}`,
    exportDir,
    volumesExportDir: `${exportDir}-volumes`,
    diskDir: `${disksDir}/${bootId()}/${sandboxKey(`${runDir}/${namespace}`, id)}`,
  }
}

/** A short, stable name for a sandbox, for paths whose length is limited. */
export function sandboxKey(namespace: string, id: string): string {
  return new Bun.CryptoHasher('sha256').update(`${namespace}/${id}`).digest('hex').slice(0, 24)
}

/** Path of the socket on which the shim of this sandbox listens; short, because socket paths are limited. */
export function shimSocketPath(runDir: string, namespace: string, sandboxId: string): string {
  return `${runDir}/s/${sandboxKey(namespace, sandboxId)}`
}
