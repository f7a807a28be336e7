/** The namespaces of a container in a machine. */
import { KataError } from '../../errors.ts'
import type { OciNamespace, OciSpec } from '../spec.ts'

/**
 * The VM is the pod's network, cgroup and time namespace. The pid namespace is the agent's to add, as `sandbox_pidns` of the
 * request says: with an entry of ours beside its own, Kata's agent cannot run a second process in the container.
 */
const dropped = new Set(['network', 'cgroup', 'time', 'pid'])
/** What the host leaves out is the host's own. In the guest every container has these, or shares the pod's. */
const always = ['ipc', 'uts', 'mount']

/**
 * The pid namespace that a container asks for: a new one, the pod's, or that of a process of the host. CRI asks by path for the pod's
 * (shareProcessNamespace) and for another container's (`kubectl debug --target`), and for none at all with hostPID: the machine is
 * the host here, so such a container sees the pod's processes. The agent itself stays out of sight.
 */
export function askedPidNamespace({ linux }: OciSpec): 'own' | 'pod' | { readonly path: string } {
  const pid = (linux?.namespaces ?? []).find(({ type }) => type === 'pid')
  if (pid === undefined) return 'pod'
  return pid.path ? { path: pid.path } : 'own'
}

/** Without paths: those of the host's namespaces mean nothing in the guest. */
export function guestNamespaces(namespaces: readonly OciNamespace[] = []): OciNamespace[] {
  const kept = namespaces.filter(({ type }) => !dropped.has(type))
  return [...new Set([...kept.map(({ type }) => type), ...always])].map((type) => ({ type }))
}

/** Mapped ids without the namespace are refused as runc does: nobody would map them. @throws KataError SPEC_USER_NAMESPACE. */
export function refuseUserNamespace({ linux = {} }: OciSpec, container: string): void {
  const { namespaces = [], uidMappings = [], gidMappings = [] } = linux
  if (namespaces.some(({ type }) => type === 'user') || uidMappings.length + gidMappings.length > 0)
    throw new KataError('SPEC_USER_NAMESPACE', { container })
}

/** Without its map a mount would give the container the rights of other users. @throws KataError SHARE_MOUNT_INVALID. */
export function refuseMappedMounts({ mounts = [] }: Pick<OciSpec, 'mounts'>): void {
  const mapped = mounts.find(
    ({ uidMappings = [], gidMappings = [] }) => uidMappings.length + gidMappings.length > 0,
  )
  if (mapped === undefined) return
  const reason = 'users of the host cannot be mapped to those of a container in a machine'
  throw new KataError('SHARE_MOUNT_INVALID', { what: `uidMappings of ${mapped.destination}`, reason })
}
