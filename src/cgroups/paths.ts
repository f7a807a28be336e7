/**
 * Where a sandbox's cgroups are. The names are Kata's, so an operator of Kata knows them. The pod's workload is in `kata_<id>`, below
 * the pod's own cgroup, which the kubelet makes and limits. Everything else is in `/kata_overhead/<id>`.
 */
import { normalize } from 'node:path/posix'
import { KataError } from '../errors.ts'

export interface SandboxCgroupPaths {
  /** For the machine itself. */
  readonly sandbox: string
  /** For what serves the machine, unless all of it is in the sandbox's. */
  readonly overhead: string
}

/** Parent where the client of the shim names none. */
const defaultParent = '/vc'
const overheadParent = '/kata_overhead'

/** Cgroups that hold only sandboxes. The last sandbox to leave removes them. */
export const ownParents: ReadonlySet<string> = new Set([defaultParent, overheadParent])

/** `cgroupsPath` is that of the OCI spec of the sandbox's first container. @throws KataError CGROUP_PATH_INVALID. */
export function sandboxCgroupPaths(cgroupsPath: string | undefined, sandboxId: string): SandboxCgroupPaths {
  return { sandbox: sandboxPath(cgroupsPath ?? '', sandboxId), overhead: `${overheadParent}/${sandboxId}` }
}

function sandboxPath(cgroupsPath: string, sandboxId: string): string {
  if (cgroupsPath.includes('\0') || cgroupsPath.split('/').includes('..'))
    throw new KataError('CGROUP_PATH_INVALID', { path: JSON.stringify(cgroupsPath) })
  const systemd = /^([^/:]+\.slice):([^/:]*):([^/:]+)$/.exec(cgroupsPath)
  if (systemd !== null) return scopePath(systemd[1]!, systemd[2]!, systemd[3]!)
  const absolute = normalize(cgroupsPath.startsWith('/') ? cgroupsPath : `${defaultParent}/${cgroupsPath}`)
  const at = absolute.lastIndexOf('/')
  const inDefault = absolute === '/' || absolute === `${defaultParent}/`
  return inDefault
    ? `${defaultParent}/kata_${sandboxId}`
    : `${absolute.slice(0, at)}/kata_${absolute.slice(at + 1)}`
}

/**
 * `slice:prefix:name`, as the kubelet's systemd driver writes it: a scope below the slice's own cgroup. systemd.slice(5):
 * the dashes in a slice's name are its ancestors.
 */
function scopePath(slice: string, prefix: string, name: string): string {
  const parts = slice.slice(0, -'.slice'.length).split('-')
  const ancestors =
    slice === '-.slice' ? [] : parts.map((_, index) => `${parts.slice(0, index + 1).join('-')}.slice`)
  const scope = prefix === '' ? `${name}.scope` : `${prefix}-${name}.scope`
  return `/${[...ancestors, scope].join('/')}`
}
