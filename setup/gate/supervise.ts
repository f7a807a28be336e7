/**
 * Nothing outlives a test run. A process that supervises is the parent of every orphan below it (PR_SET_CHILD_SUBREAPER),
 * daemons included, and so can end all of them: when it is interrupted, and when whoever started it is gone. Two of them,
 * main.ts and the runner below it, watch each other, so that either may be killed with SIGKILL.
 *
 * Not a pid namespace, whose end would be surer: kata-ts tells by pid whether a sandbox is alive, and would take those of
 * the host for dead. A host of its own (own-host.ts) has no sandboxes but the test's, and is one.
 */
import { checked, libc } from '../../src/linux/libc.ts'
import { isAlive, listPids, type ProcessRef, processRef, readProc } from '../../src/linux/processes/proc.ts'

const PR_SET_CHILD_SUBREAPER = 36
const SYS_wait4 = 61
const WNOHANG = 1
const watchMs = 200
/** More than the kernel takes for the end of a process, some waits for a disk included. */
const endLimitMs = 20_000
/** As a shell tells it. */
const exitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

export interface Interruption {
  readonly reason: string
  /** For whoever waits for this process. */
  readonly exitCode: number
}

/** Whom Bun waits for: a status that is taken from under it is an error of the whole program. */
const ownChildren = new Set<number>()

/** Notes a child that this process has spawned itself, and returns it. */
export function ownChild<T extends { readonly pid: number }>(child: T): T {
  ownChildren.add(child.pid)
  return child
}

/** Calls back, once, when this process is told to end or one of `starters` has ended. */
export function supervise(starters: readonly ProcessRef[], onEnd: (why: Interruption) => void): void {
  checked(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 'PR_SET_CHILD_SUBREAPER')
  let ended = false
  const end = (why: Interruption) => {
    if (!ended) onEnd(why)
    ended = true
  }
  for (const [signal, exitCode] of Object.entries(exitCodes))
    process.on(signal, () => end({ reason: signal, exitCode }))
  let unreaped = new Set<number>()
  const watch = setInterval(() => {
    if (!starters.every(isAlive)) end({ reason: 'the end of its parent', exitCode: exitCodes.SIGHUP })
    unreaped = reapOrphans(unreaped)
  }, watchMs)
  watch.unref()
}

/** Ends every process below this one, whatever session or group it is in. Resolves when none is left. */
export async function endDescendants(): Promise<void> {
  const deadline = Date.now() + endLimitMs
  for (;;) {
    const alive = descendants().filter(isAlive)
    if (alive.length === 0) return
    if (Date.now() > deadline)
      throw new Error(`processes do not end: ${alive.map(({ pid }) => pid).join(', ')}`)
    for (const { pid } of alive) libc.kill(pid, 9)
    await Bun.sleep(20)
  }
}

/** Waits for orphans. One that has died only now may be a child whose own end this process has not heard of yet. */
function reapOrphans(deadBefore: ReadonlySet<number>): Set<number> {
  const children = listPids().filter((pid) => !ownChildren.has(pid) && parentOf(pid) === process.pid)
  const dead = children.filter((pid) => /^State:\tZ/m.test(readProc(`/proc/${pid}/status`) ?? ''))
  for (const pid of dead) if (deadBefore.has(pid)) libc.syscall(SYS_wait4, pid, 0, WNOHANG, 0, 0, 0)
  return new Set(dead)
}

function descendants(): ProcessRef[] {
  const parents = new Map(listPids().map((pid) => [pid, parentOf(pid)]))
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid) ?? 0
    return parent === process.pid || (parent > 1 && isBelow(parent))
  }
  return [...parents.keys()].filter(isBelow).flatMap((pid) => processRef(pid) ?? [])
}

/** npm and the shells between it and this process; none when npm did not start it. */
export function npmAbove(): ProcessRef[] {
  const chain: ProcessRef[] = []
  for (let at = parentOf(process.pid); at > 1; at = parentOf(at)) {
    const ref = processRef(at)
    if (ref !== undefined) chain.push(ref)
    const command = readProc(`/proc/${at}/cmdline`) ?? ''
    if (/^npm\b|\/npm(-cli\.js)?\0/.test(command)) return chain
    if (!/^(\S*\/)?(sh|dash|bash)\0/.test(command)) return []
  }
  return []
}

/** setup/main.ts, if that is what started this process. */
export function mainAbove(): ProcessRef[] {
  const pid = parentOf(process.pid)
  const ref = processRef(pid)
  return ref !== undefined && readProc(`/proc/${pid}/cmdline`)?.includes('\0setup/main.ts\0') ? [ref] : []
}

const parentOf = (pid: number): number =>
  Number(/^PPid:\t(\d+)/m.exec(readProc(`/proc/${pid}/status`) ?? '')?.[1] ?? 0)
