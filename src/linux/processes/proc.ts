/** Facts about processes, read from /proc (proc_pid_status(5), proc_pid_stat(5)). */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { needed, record } from '../../json/compounds.ts'
import { text, uint32 } from '../../json/values.ts'

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessRef {
  readonly pid: number
  /** Field 22 of /proc/PID/stat: start time in clock ticks after boot. */
  readonly startTime: string
  /** The pid namespace of the number, such as `pid:[4026531836]`. Absent in records of earlier versions: then it is ours. */
  readonly pidNamespace?: string | undefined
  /** The boot in which it began, because a record may outlive a boot and the pid namespace. Absent in records of earlier versions. */
  readonly bootId?: string | undefined
}

/** Reads a reference from JSON. */
export const readProcessRef = record<ProcessRef>({
  pid: needed(uint32),
  startTime: needed(text),
  pidNamespace: text,
  bootId: text,
})

/** Errors about this process or its host, which say nothing about the file. */
export const exhaustion: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

/**
 * Reads a file of /proc, or undefined when the process is gone.
 *
 * @throws ErrnoException EMFILE, ENFILE, ENOMEM, which do not mean that the process is gone.
 */
export function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (exhaustion.has((error as NodeJS.ErrnoException).code)) throw error
    return undefined
  }
}

/** Fields of /proc/PID/stat after the command name, which may itself hold spaces and parentheses. */
export function statFields(pid: number | 'self'): string[] | undefined {
  const stat = readProc(`/proc/${pid}/stat`)
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** The process behind `pid` now, or undefined. */
export function processRef(pid: number): ProcessRef | undefined {
  const startTime = statFields(pid)?.[19]
  if (startTime === undefined) return undefined
  const pidNamespace = ownPidNamespace()
  return pidNamespace === undefined ? { pid, startTime } : { pid, startTime, pidNamespace, bootId: bootId() }
}

/** This process. @throws Error where /proc is another PID namespace's, or is not mounted: nothing could be written down as ours. */
export function ownProcess(): ProcessRef {
  const own = processRef(process.pid)
  if (own?.pidNamespace === undefined)
    throw new Error(`/proc does not show process ${process.pid}, which is this one`)
  return own
}

/** Whether `ref` is this process. */
export function isThisProcess(ref: ProcessRef): boolean {
  if (ref.pid !== process.pid || isElsewhere(ref)) return false
  return ref.startTime === ownProcess().startTime
}

/** This process's pid namespace; undefined if /proc is another pid namespace's, or is not mounted. */
function ownPidNamespace(): string | undefined {
  try {
    return readlinkSync('/proc/self') === `${process.pid}` ? readlinkSync('/proc/self/ns/pid') : undefined
  } catch {
    return undefined
  }
}

/** Whether the process began in another boot, and so has ended. False if that is unknown, because /proc is not mounted. */
function isOfAnotherBoot({ bootId }: ProcessRef): boolean {
  if (bootId === undefined) return false
  const now = readProc(bootIdFile)?.trim()
  return now !== undefined && now !== bootId
}

/** Whether the process number has no meaning here, because it is of another boot or pid namespace. */
export const isElsewhere = (ref: ProcessRef): boolean =>
  isOfAnotherBoot(ref) || (ref.pidNamespace !== undefined && ref.pidNamespace !== ownPidNamespace())

/** The host's own pid namespace, in which every process has a number: PROC_PID_INIT_INO of the kernel's include/linux/proc_ns.h. */
const hostsPidNamespace = 'pid:[4026531836]'

/**
 * Whether all processes of another pid namespace have ended: its first process lives as long as any other. Only the host's own pid namespace shows
 * the processes of all.
 */
function isGone(pidNamespace: string): boolean {
  if (ownPidNamespace() !== hostsPidNamespace) return false
  return !listPids().some((pid) => {
    const status = readStatus(`/proc/${pid}/status`)
    // A zombie has ended.
    if (status === undefined || statusHasEnded(status)) return false
    // A process with only one number is in the host's own namespace. Checked first, because the link may be unreadable.
    const numbers = status.get('NSpid')?.split('\t') ?? []
    return numbers.length > 1 && mayBeIn(pid, pidNamespace)
  })
}

function mayBeIn(pid: number, pidNamespace: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`) === pidNamespace
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code !== 'ENOENT' && code !== 'ESRCH'
  }
}

/**
 * Whether a process with this state of /proc and this number of threads has ended. /proc also calls a process a zombie if only its first thread has
 * ended, and the others still run.
 */
function hasEnded(state: string, threads: number): boolean {
  return state.startsWith('X') || (state.startsWith('Z') && threads <= 1)
}

/** {@link hasEnded} for the fields of {@link statFields}. */
export const statHasEnded = ({ 0: state = '', 17: threads }: readonly string[]) =>
  hasEnded(state, Number(threads))

/**
 * Whether exactly this process still runs. A zombie, not reaped yet, does not run.
 *
 * @throws KataError PROCESS_ELSEWHERE if the process is in a pid namespace that cannot be seen from here, and may still run.
 */
export function isAlive(ref: ProcessRef): boolean {
  // Checked first: the pid namespaces of another boot are gone, and new ones may have their inodes.
  if (isOfAnotherBoot(ref)) return false
  if (isElsewhere(ref)) {
    const { pid, pidNamespace = '' } = ref
    if (isGone(pidNamespace)) return false
    throw new KataError('PROCESS_ELSEWHERE', { pid, namespace: pidNamespace })
  }
  const fields = statFields(ref.pid)
  return fields !== undefined && fields[19] === ref.startTime && !statHasEnded(fields)
}

/** {@link isAlive} for display: true if it is unknown. */
export function mayBeAlive(ref: ProcessRef): boolean {
  try {
    return isAlive(ref)
  } catch (error) {
    if (error instanceof KataError && error.code === 'PROCESS_ELSEWHERE') return true
    throw error
  }
}

/** Whether a process began after another one, as far as the kernel's clock ticks tell. */
export const hasBegunAfter = (one: ProcessRef, other: ProcessRef): boolean =>
  Number(one.startTime) > Number(other.startTime)

/** Children of a process's first thread, including zombies. */
export function childrenOf(parent: ProcessRef): ProcessRef[] {
  if (!isAlive(parent)) return []
  const pids = readProc(`/proc/${parent.pid}/task/${parent.pid}/children`) ?? ''
  return pids
    .split(' ')
    .filter((pid) => pid !== '')
    .map((pid) => processRef(Number(pid)))
    .filter((ref) => ref !== undefined)
}

/** The wait(2) status of a zombie, which root may read. */
export function zombieStatus(ref: ProcessRef): number | undefined {
  const fields = statFields(ref.pid)
  return fields?.[19] === ref.startTime && fields[0] === 'Z' && statHasEnded(fields)
    ? Number(fields[49])
    : undefined
}

/** All process numbers. */
export function listPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

/** The `Name: value` lines of /proc/PID/status. */
export interface Status {
  get(name: string): string | undefined
}

/**
 * Reads the status of a process or a thread; undefined if it is gone. Each value is searched for when it is requested: callers want few of the sixty
 * lines, and some poll every millisecond. The name of a process cannot forge a line, because the kernel escapes line ends.
 */
export function readStatus(path: string): Status | undefined {
  const text = readProc(path)
  return text === undefined ? undefined : { get: (name) => valueIn(text, name) }
}

function valueIn(text: string, name: string): string | undefined {
  const start = `\n${text}`.indexOf(`\n${name}:`)
  if (start === -1) return undefined
  const end = text.indexOf('\n', start)
  return text.slice(start + name.length + 1, end === -1 ? undefined : end).trim()
}

/** {@link hasEnded} for the lines of /proc/PID/status. */
export const statusHasEnded = (status: Status): boolean =>
  hasEnded(status.get('State') ?? '', Number(status.get('Threads')))

/** Live (non-zombie) processes with this real uid. Read from status: the owner of /proc/PID is root for non-dumpable tasks. */
export function processesOfUid(uid: number): number[] {
  return listPids().filter((pid) => {
    const status = readStatus(`/proc/${pid}/status`)
    return (
      status !== undefined && !statusHasEnded(status) && Number(status.get('Uid')?.split('\t')[0]) === uid
    )
  })
}

const bootIdFile = '/proc/sys/kernel/random/boot_id'

/** The identity of this boot; state from an earlier boot is void. */
export function bootId(): string {
  return readFileSync(bootIdFile, 'utf8').trim()
}
