/** Control groups (cgroups(7)) of version 1, of version 2, and of both side by side: which there are, and what is done to them. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { halvesOf, unescapeMountPath } from '../mounts/mount.ts'
import { processRef, readProc } from '../processes/proc.ts'
import { signalProcess } from '../processes/signal.ts'

/** One tree of cgroups. */
export interface CgroupHierarchy {
  /** Where it is mounted. */
  readonly point: string
  readonly version: 1 | 2
  /** Version 1: the tree's controllers, or `name=...` of a tree that only groups processes. Empty for version 2. */
  readonly controllers: readonly string[]
}

/** Mount options of version 1 that are no controller: `seclabel` is SELinux's, as on Red Hat's hosts. */
const otherOptions = new Set(
  'rw ro none xattr clone_children noprefix cpuset_v2_mode favordynmods seclabel'.split(' '),
)
/** Others that have a value: `release_agent=...`, and SELinux's contexts, in quotes where they have a comma. */
const withValue = /,(?!name=)\w+=("[^"]*"|[^,]*)/g

/**
 * Every hierarchy that this process can reach, each once. `mountinfo` is the text of /proc/self/mountinfo. The mount below `usual` counts, if
 * there is one: Cilium and Calico mount version 2 once more for themselves, and take that away while sandboxes live.
 */
export function cgroupHierarchies(
  mountinfo = readFileSync('/proc/self/mountinfo', 'utf8'),
  usual = '/sys/fs/cgroup',
): CgroupHierarchy[] {
  const isUsual = (point: string) => `${point}/`.startsWith(`${usual}/`)
  const found = new Map<string, CgroupHierarchy>()
  for (const line of mountinfo.split('\n')) {
    const [before, after] = halvesOf(line)
    const [type, , options = ''] = after.split(' ')
    if (type !== 'cgroup' && type !== 'cgroup2') continue
    const point = unescapeMountPath(before.split(' ')[4] ?? '')
    const controllers =
      type === 'cgroup2'
        ? []
        : options
            .replace(withValue, '')
            .split(',')
            .filter((name) => !otherOptions.has(name))
    const known = found.get(controllers.join())
    if (known !== undefined && isUsual(known.point) && !isUsual(point)) continue
    // A later mount of the same tree is on top of an earlier one; what lies underneath cannot be reached at all.
    if (existsSync(`${point}/cgroup.procs`))
      found.set(controllers.join(), { point, version: type === 'cgroup2' ? 2 : 1, controllers })
  }
  return [...found.values()]
}

/** Whether version 2 is all there is, as on a host of today. */
export const isUnified = (hierarchies: readonly CgroupHierarchy[]): boolean =>
  hierarchies.every(({ version }) => version === 2)

/** The directory of a cgroup. */
export const cgroupDirectory = ({ point }: Pick<CgroupHierarchy, 'point'>, path: string): string =>
  path === '/' ? point : `${point}${path}`

/** The cgroup of a process in one hierarchy; undefined when it has ended. */
export function cgroupOf(pid: number | 'self', { controllers }: CgroupHierarchy): string | undefined {
  const wanted = controllers.join()
  for (const line of readProc(`/proc/${pid}/cgroup`)?.split('\n') ?? []) {
    const [, names = '', path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (path !== undefined && names === wanted) return path
  }
  return undefined
}

/** The ancestors of a cgroup that do not exist, and itself if it does not; the outermost first. */
export function missingCgroups(hierarchy: Pick<CgroupHierarchy, 'point'>, path: string): string[] {
  const missing: string[] = []
  for (let at = path; at !== '/' && !existsSync(cgroupDirectory(hierarchy, at)); at = dirname(at))
    missing.unshift(at)
  return missing
}

/** Makes a cgroup with its ancestors, fit to take processes. @throws ErrnoException EROFS, EACCES and others of mkdir(2). */
export function makeCgroup(hierarchy: CgroupHierarchy, path: string): void {
  for (const missing of missingCgroups(hierarchy, path)) {
    const directory = cgroupDirectory(hierarchy, missing)
    if (hierarchy.version === 2) passControllers(dirname(directory))
    mkdirSync(directory, { recursive: true })
  }
  if (hierarchy.controllers.includes('cpuset')) inheritCpusets(hierarchy, path)
}

/** The same for one that is not there yet. @throws ErrnoException EEXIST when it is; as {@link makeCgroup}. */
export function makeNewCgroup(hierarchy: CgroupHierarchy, path: string): void {
  const parent = dirname(path)
  makeCgroup(hierarchy, parent)
  if (hierarchy.version === 2) passControllers(cgroupDirectory(hierarchy, parent))
  mkdirSync(cgroupDirectory(hierarchy, path))
  if (hierarchy.controllers.includes('cpuset')) inheritCpusets(hierarchy, path)
}

/**
 * A new cpuset of version 1 is empty, and nothing can enter it (ENOSPC) before it has its parent's processors. Ancestors
 * that others made, a pod's cgroup for instance, may still be empty too.
 */
function inheritCpusets(hierarchy: CgroupHierarchy, path: string): void {
  const names = path.split('/').filter(Boolean)
  for (const depth of names.keys()) {
    const directory = cgroupDirectory(hierarchy, `/${names.slice(0, depth + 1).join('/')}`)
    for (const name of ['cpuset.cpus', 'cpuset.mems']) {
      if (readFileSync(`${directory}/${name}`, 'utf8').trim() !== '') continue
      writeFileSync(`${directory}/${name}`, readFileSync(`${dirname(directory)}/${name}`))
    }
  }
}

/** Enables the controllers of a cgroup v2 for its children, if the kernel allows it: a cgroup with processes cannot. */
function passControllers(directory: string): void {
  for (const name of readFileSync(`${directory}/cgroup.controllers`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)) {
    try {
      writeFileSync(`${directory}/cgroup.subtree_control`, `+${name}`)
    } catch {
      // Then children are not counted or limited on their own; the limits of the cgroup itself still hold.
    }
  }
}

/** Opens a control file without O_CREAT: what is no cgroup gets no file, and ENOENT is thrown. */
const existing = { flag: 'r+' } as const

/**
 * Moves a process with all its threads. The first move after a while waits for every processor of the host (synchronize_rcu in the kernel), 13 ms
 * and more, which is why nobody stands still for it here.
 *
 * @throws ErrnoException ESRCH when it has ended, EBUSY, ENOENT.
 */
export async function enterCgroup(
  hierarchy: Pick<CgroupHierarchy, 'point'>,
  path: string,
  pid: number,
): Promise<void> {
  await writeFile(`${cgroupDirectory(hierarchy, path)}/cgroup.procs`, `${pid}`, existing)
}

/** Moves a single thread, which version 1 can. It takes as long as {@link enterCgroup}. @throws ErrnoException. */
export async function enterThread(
  hierarchy: Pick<CgroupHierarchy, 'point'>,
  path: string,
  tid: number,
): Promise<void> {
  await writeFile(`${cgroupDirectory(hierarchy, path)}/tasks`, `${tid}`, existing)
}

/** Processes in a cgroup, not those in its children; none when it is not there. */
export function processesIn(hierarchy: Pick<CgroupHierarchy, 'point'>, path: string): number[] {
  const text = readProc(`${cgroupDirectory(hierarchy, path)}/cgroup.procs`) ?? ''
  return text.split('\n').filter(Boolean).map(Number)
}

/** Ends all processes in a cgroup: those of version 2 at once, since Linux 5.14; others one by one. */
export function killCgroup(hierarchy: Pick<CgroupHierarchy, 'point'>, path: string): void {
  try {
    writeFileSync(`${cgroupDirectory(hierarchy, path)}/cgroup.kill`, '1', existing)
  } catch {
    const refs = processesIn(hierarchy, path).flatMap((pid) => processRef(pid) ?? [])
    // Looked at again: the number of one that has ended since may be a process of somebody else by now.
    const inside = new Set(processesIn(hierarchy, path))
    for (const ref of refs) if (inside.has(ref.pid)) signalProcess(ref, 'SIGKILL')
  }
}

/** True when the cgroup is gone; false while processes are in it (EBUSY). @throws other ErrnoExceptions. */
export function removeCgroup(hierarchy: Pick<CgroupHierarchy, 'point'>, path: string): boolean {
  try {
    rmdirSync(cgroupDirectory(hierarchy, path))
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return true
    if (code === 'EBUSY' || code === 'ENOTEMPTY') return false
    throw error
  }
}

/** A number from a control file; undefined when there is no such file or it says `max`. */
export function readControl(hierarchy: CgroupHierarchy, path: string, name: string): number | undefined {
  const text = readProc(`${cgroupDirectory(hierarchy, path)}/${name}`)?.trim()
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

/** The hierarchy with this controller: a version 1 hierarchy that has it, else the version 2 hierarchy. */
export function hierarchyOf(
  hierarchies: readonly CgroupHierarchy[],
  controller: string,
): CgroupHierarchy | undefined {
  return (
    hierarchies.find(({ controllers }) => controllers.includes(controller)) ??
    hierarchies.find(({ version }) => version === 2)
  )
}
