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
  /** In which the number counts, `pid:[4026531836]` for instance. Absent in what an earlier version has written down: then it is ours. */
  readonly pidNamespace?: string | undefined
  /** In which it began: what outlives a boot would else name a pid namespace that is never seen again. Absent as above. */
  readonly bootId?: string | undefined
}

/** As it is written down in JSON. */
export const readProcessRef = record<ProcessRef>({
  pid: needed(uint32),
  startTime: needed(text),
  pidNamespace: text,
  bootId: text,
})

/** Errors that tell of this process or its host, and nothing of the file that was to be read. */
export const exhaustion: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

/**
 * Reads a file of /proc, or undefined when the process is gone.
 *
 * @throws ErrnoException EMFILE, ENFILE, ENOMEM: a process that nobody can look at is none that is gone.
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

/** Whether this process is the one that was written down. */
export function isThisProcess(ref: ProcessRef): boolean {
  if (ref.pid !== process.pid || isElsewhere(ref)) return false
  return ref.startTime === ownProcess().startTime
}

/** That of this process; undefined where /proc shows the numbers of another one, or is not mounted. */
function ownPidNamespace(): string | undefined {
  try {
    return readlinkSync('/proc/self') === `${process.pid}` ? readlinkSync('/proc/self/ns/pid') : undefined
  } catch {
    return undefined
  }
}

/** Then it has ended, wherever it was. False where /proc is not mounted: nothing is known there. */
function isOfAnotherBoot({ bootId }: ProcessRef): boolean {
  if (bootId === undefined) return false
  const now = readProc(bootIdFile)?.trim()
  return now !== undefined && now !== bootId
}

/** Whether its number says nothing here and now. */
export const isElsewhere = (ref: ProcessRef): boolean =>
  isOfAnotherBoot(ref) || (ref.pidNamespace !== undefined && ref.pidNamespace !== ownPidNamespace())

/** The host's own pid namespace, in which every process has a number: PROC_PID_INIT_INO of the kernel's include/linux/proc_ns.h. */
const hostsPidNamespace = 'pid:[4026531836]'

/**
 * Whether no process that has not ended is left in another pid namespace: its first one is there as long as any other. Only the host's own namespace shows the
 * processes of all.
 */
function isGone(pidNamespace: string): boolean {
  if (ownPidNamespace() !== hostsPidNamespace) return false
  return !listPids().some((pid) => {
    const status = readStatus(`/proc/${pid}/status`)
    // One that nobody has waited for yet has ended.
    if (status === undefined || statusHasEnded(status)) return false
    // A process with one number is in the host's own. Not everybody may read the link of each.
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
 * Whether a process of this state, as /proc words it, with so many threads has come to its end. One whose first thread has ended is
 * called a zombie, too, and runs on with the others.
 */
function hasEnded(state: string, threads: number): boolean {
  return state.startsWith('X') || (state.startsWith('Z') && threads <= 1)
}

/** {@link hasEnded}, of {@link statFields}. */
export const statHasEnded = ({ 0: state = '', 17: threads }: readonly string[]) =>
  hasEnded(state, Number(threads))

/**
 * Whether exactly this process still runs. A zombie, not reaped yet, does not run.
 *
 * @throws KataError PROCESS_ELSEWHERE: one that has no number here is none that is gone.
 */
export function isAlive(ref: ProcessRef): boolean {
  // First: the pid namespaces of another boot are gone, and others may have their inodes by now.
  if (isOfAnotherBoot(ref)) return false
  if (isElsewhere(ref)) {
    const { pid, pidNamespace = '' } = ref
    if (isGone(pidNamespace)) return false
    throw new KataError('PROCESS_ELSEWHERE', { pid, namespace: pidNamespace })
  }
  const fields = statFields(ref.pid)
  return fields !== undefined && fields[19] === ref.startTime && !statHasEnded(fields)
}

/** The same to show it: one of which nobody can say is taken for one that runs. */
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
 * Those of a process or a thread, or undefined when it is gone. A value is looked for when it is asked for: few of the sixty are, and some each
 * millisecond. What a process calls itself cannot pass for a line: the kernel escapes line ends.
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

/** {@link hasEnded}, of the lines of /proc/PID/status. */
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
