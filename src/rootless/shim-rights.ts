/**
 * The rights of root that the shim's daemon keeps. It runs as long as its pod, and parses what guest and VMM send. So it has only the
 * capabilities that its work needs, and cannot regain others by execve(2) or a setuid program.
 */
import { KataError } from '../errors.ts'
import {
  type Capability,
  capabilityMask,
  clearInheritable,
  cutBoundingSet,
  setNoNewPrivs,
} from '../linux/processes/capabilities.ts'
import { keepMemoryOutOfCores, memoryInCores } from '../linux/processes/core-memory.ts'
import { readStatus, type Status } from '../linux/processes/proc.ts'
import { setFilter } from '../linux/processes/seccomp.ts'
import { shimFilter } from './filters/shim-filter.ts'
import { differs, type PostureRow } from './posture/posture-check.ts'

/** Every capability that is kept, with the work that takes it. */
export const keptCapabilities: Readonly<Record<Capability, string>> = {
  chown: 'gives the private directory to its user',
  dac_override: 'reads root file systems and volumes of any owner, and the private directory',
  fowner: 'changes modes there',
  fsetid: 'keeps set-id bits of files that it lays out for a container',
  kill: 'ends processes of the users it made',
  setgid: 'starts the VMM and its helpers as those users',
  setuid: 'the same',
  setpcap: 'empties the bounding sets of what it starts',
  net_admin: "makes the pod's tap devices and their redirection",
  sys_chroot: 'gives what it starts a root of its own',
  sys_ptrace: 'reads the posture of processes of other users from /proc',
  sys_admin: "mounts the pod's files, and makes namespaces for what it starts",
  sys_resource: 'sets limits of what it starts above its own',
  mknod: "makes device nodes in a jail's own /dev",
  setfcap: 'maps ids for the user namespace of the file server',
}

const kept = Object.keys(keptCapabilities) as Capability[]
/** /proc/PID/coredump_filter of a process whose dumps have nothing of its memory. */
const noMemory = '00000000'

/** In the process that starts the daemon, right before it does: what this thread lacks, its child lacks. */
export function dropRights(): void {
  clearInheritable()
  cutBoundingSet(kept)
  setNoNewPrivs()
  // All that it starts inherits this, the VMM with its guest's memory among them.
  keepMemoryOutOfCores()
  setFilter(shimFilter())
}

/** Compares a thread of a shim with what it should be; `status` is its /proc/PID/task/TID/status. */
export function describeShimRights(status: Status | undefined, tid?: number): PostureRow[] {
  const allowed = capabilityMask(kept)
  const none = '0'.repeat(16)
  const row = (field: string, wanted: (actual: string) => string): PostureRow => {
    const actual = status?.get(field) ?? 'unknown'
    return { field, expected: wanted(actual), actual, ...(tid === undefined ? {} : { tid }) }
  }
  const atMost = (actual: string) => {
    const isLess = /^[0-9a-f]+$/.test(actual) && (BigInt(`0x${actual}`) & ~allowed) === 0n
    return isLess ? actual : `at most ${allowed.toString(16).padStart(16, '0')}`
  }
  return [
    ...['CapPrm', 'CapEff', 'CapBnd'].map((field) => row(field, atMost)),
    ...['CapInh', 'CapAmb'].map((field) => row(field, () => none)),
    row('NoNewPrivs', () => '1'),
    row('Seccomp', () => '2'),
  ]
}

/** In the daemon, before it serves: what the kernel says of it. @throws KataError SHIM_RIGHTS naming the field. */
export function assertRightsDropped(
  status: Status | undefined = readStatus('/proc/self/status'),
  inCores = memoryInCores(),
): void {
  const cores = { field: 'coredump_filter', expected: noMemory, actual: inCores ?? noMemory }
  const wrong = [...describeShimRights(status), cores].filter(differs)
  if (wrong.length === 0) return
  throw new KataError('SHIM_RIGHTS', {
    found: wrong.map(({ field, actual }) => `${field} ${actual}`).join(', '),
  })
}
