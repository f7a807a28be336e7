/** The posture that both processes of a virtiofsd must have before it may serve. */
import { filtersOf } from '../../linux/processes/seccomp.ts'
import { idMapLines } from '../../linux/processes/user-namespace.ts'
import { hostIdMap, type NamespaceKind, readNamespaces } from '../../rootless/posture/posture.ts'
import { type ExpectedPosture, noCapabilities, ownNamespaces } from '../../rootless/posture/posture-check.ts'
import { descriptorLimit, maxProcesses } from './command.ts'
import type { ShareDaemonSpec } from './share-daemon.ts'

/** chown, dac_override, fowner, fsetid, setgid, setuid, mknod, setfcap; in its own user namespace, if it has one. */
const workerCapabilities = '00000000880000db'
/** The same without fsetid and setfcap. */
const nosuidCapabilities = '00000000080000cb'

/** The postures of the waiting process and of the worker, before the share has any mount. */
export function virtiofsdPostures(
  { ids, nosuid }: Pick<ShareDaemonSpec, 'ids' | 'nosuid'>,
  workerPid: number,
): { readonly supervisor: ExpectedPosture; readonly worker: ExpectedPosture } {
  const uid = ids?.[0]?.outside ?? 0
  const own: NamespaceKind[] = ['mnt', 'net', 'ipc', 'uts', ...(ids === undefined ? [] : (['user'] as const))]
  const common = {
    uid,
    gid: uid,
    groups: [],
    capabilities: noCapabilities,
    idMap: ids === undefined ? hostIdMap : idMapLines(ids).join(','),
    ...({ noNewPrivs: 1, seccomp: 2, seccompFilters: 1, firstThreadFilters: 1 } as const),
    inheritedFilters: filtersOf('self'),
    namespaces: ownNamespaces(own),
    hostNamespaces: readNamespaces('/proc/self')!,
    mounts: [{ point: '/', flags: ['nodev', 'noexec', 'nosuid', 'ro'] }],
    descriptors: { 0: '/dev/null', 1: '/dev/null' },
    ...({ environment: 0, cwd: '/', interfaces: ['lo'] } as const),
    limits: {
      core: '0:0',
      ...(ids === undefined ? {} : { nproc: `${maxProcesses}:${maxProcesses}` }),
    },
  } as const
  const effective = nosuid ? nosuidCapabilities : workerCapabilities
  const nofile = `${descriptorLimit()}:${descriptorLimit()}`
  return {
    // Its output, and the pipe by which it and the worker notice each other's exit.
    supervisor: { ...common, opens: ['pipe:'], sockets: 1 },
    worker: {
      ...common,
      seccompFilters: 2,
      firstThreadFilters: 2,
      capabilities: { ...noCapabilities, CapPrm: effective, CapEff: effective },
      namespaces: ownNamespaces([...own, 'pid']),
      // Its output, the listener and the connection.
      opens: [],
      sockets: 3,
      // Its event loop; the share's root; and its own descriptors and mount table, from a /proc that it no longer has.
      files: ['anon_inode:[eventfd]', 'anon_inode:[eventpoll]', '/', `/${workerPid}/mountinfo`],
      limits: { ...common.limits, nofile },
    },
  }
}
