/** Facts about processes, read from /proc (proc_pid_status(5), proc_pid_stat(5)). */
import { readdirSync, readFileSync } from 'node:fs'
import { needed, record } from '../../json/compounds.ts'
import { text, uint32 } from '../../json/values.ts'

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessRef {
  readonly pid: number
  /** Field 22 of /proc/PID/stat: start time in clock ticks after boot. */
  readonly startTime: string
}

/** As it is written down in JSON. */
export const readProcessRef = record<ProcessRef>({ pid: needed(uint32), startTime: needed(text) })

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
export function statFields(pid: number): string[] | undefined {
  const stat = readProc(`/proc/${pid}/stat`)
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** The process behind `pid` now, or undefined. */
export function processRef(pid: number): ProcessRef | undefined {
  const startTime = statFields(pid)?.[19]
  return startTime === undefined ? undefined : { pid, startTime }
}

/** This process. @throws Error where /proc is another PID namespace's, or is not mounted: nothing could be written down as ours. */
export function ownProcess(): ProcessRef {
  const own = processRef(process.pid)
  if (own === undefined) throw new Error(`/proc does not show process ${process.pid}, which is this one`)
  return own
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

/** Whether exactly this process still runs. A zombie, not reaped yet, does not run. */
export function isAlive(ref: ProcessRef): boolean {
  const fields = statFields(ref.pid)
  return fields !== undefined && fields[19] === ref.startTime && !statHasEnded(fields)
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

/** The identity of this boot; state from an earlier boot is void. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}
