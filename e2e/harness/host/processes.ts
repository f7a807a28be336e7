/** Processes as their parents have them: a test touches those of its own sandboxes, whoever else runs the same programs. */
import { listPids, readProc } from '../../../src/linux/processes/proc.ts'

export const argumentsOf = (pid: number): string[] => (readProc(`/proc/${pid}/cmdline`) ?? '').split('\0')

/** Daemons of shims, by a directory that their command line names: the run directory, or one that bundles are in. */
export function shimsBelow(directory: string): number[] {
  return listPids().filter((pid) => {
    const [name = '', ...args] = argumentsOf(pid)
    const named = args.some((arg) => arg === directory || arg.startsWith(`${directory}/`))
    return name.includes('containerd-shim-kata-ts') && args.includes('serve') && named
  })
}

/** Kills it, unless it has ended: the end of one may be that of the next, as with virtiofsd's two. */
export function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** What these have started, and what that has. */
export function descendantsOf(ancestors: readonly number[]): number[] {
  const isBelow = (pid: number): boolean => pid > 1 && (ancestors.includes(pid) || isBelow(parentOf(pid)))
  return listPids().filter((pid) => !ancestors.includes(pid) && isBelow(pid))
}

function parentOf(pid: number): number {
  return Number(/^PPid:\t(\d+)/m.exec(readProc(`/proc/${pid}/status`) ?? '')?.[1] ?? 0)
}
