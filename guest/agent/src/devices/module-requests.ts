/**
 * What the kernel does when it misses a module: it starts the program that kernel.modprobe names, as root and outside of every
 * container, and waits for it. That program is the agent's own, in a process of its own: the kernel may ask while it
 * is at a module that the agent loads, so that the agent itself could not answer.
 */
import { mkdir } from 'os'
import { readFile, stdio, writeFile } from 'syscalls'
import { say, sayError } from '../system/console.ts'
import { errnoName, exists, list, makeDirectories, openFlags, removeTree, set } from '../system/files.ts'
import { moduleArchive } from '../system/paths.ts'
import { loadRequested } from './module-archive.ts'

/** A guest that brings the program itself has its own modules, too. */
const ownModprobe = '/sbin/modprobe'
/** Where lines about requests are counted, so that containers cannot fill the console. */
const counts = '/run/kata-modules'
const windowSeconds = 60
const linesPerWindow = 10

/** From now on the kernel asks us, if the host shares modules. */
export function answerModuleRequests(): void {
  if (!exists(moduleArchive) || exists(ownModprobe)) return
  set('/proc/sys/kernel/modprobe', exists('/init') ? '/init' : '/sbin/init')
}

/** Loads what the kernel asks for. Returns the exit code. */
export function answerRequest(request: string): number {
  try {
    if (loadRequested(request)) return 0
    tell(() => say(`refuses kernel module ${printable(request)}: the guest image does not list it`))
  } catch (error) {
    // A driver for what this machine does not have, such as instructions of another processor.
    if (errnoName(error) !== 'ENODEV')
      tell(() => sayError(`cannot load kernel module ${printable(request)}`, error))
  }
  return 1
}

function printable(request: string): string {
  return request.slice(0, 64).replace(/[^!-~]/g, '?')
}

/** Writes a line, unless there were too many of late. Nothing is open in a process that the kernel starts. */
function tell(write: () => void): void {
  if (!takeLine()) return
  stdio('/dev/console')
  write()
}

/** Requests come at once: whoever makes one of the window's few files may write. */
function takeLine(): boolean {
  const window = Math.floor(Number.parseFloat(readFile('/proc/uptime')) / windowSeconds).toString()
  makeDirectories(counts, 0o700)
  if (mkdir(`${counts}/${window}`, 0o700) === 0)
    for (const name of list(counts)) if (name !== window) removeTree(`${counts}/${name}`)
  return Array.from({ length: linesPerWindow }).some((_, number) => makeNew(`${counts}/${window}/${number}`))
}

function makeNew(path: string): boolean {
  try {
    writeFile(path, '', openFlags.create | openFlags.exclusive, 0o600)
    return true
  } catch {
    return false
  }
}
