/**
 * The state of a machine as a file: saved from one that stands still, and taken over by one that has not run yet. Each page of memory
 * has its place in the file (`mapped-ram`), and what was never written is a hole: in QEMU's stream a clone would touch all of its memory
 * to find that it is zero, which takes a second for 2 GiB. Or the memory is a file of its own (../guest-memory.ts), and QEMU is told to
 * leave it alone.
 */
import { KataError } from '../../../errors.ts'
import { SyscallError } from '../../../linux/libc.ts'
import { poll, until } from '../../../time.ts'
import { asObject, asText } from '../../monitor/answers.ts'
import { addFd, fdSetPath } from './fd-set.ts'

type Execute = (command: string, args?: object, fds?: readonly number[]) => Promise<unknown>

/** Where the memory is: each page has its place in the file, or the file has none of it. Its sides must agree. */
export type MemoryPlace = 'within' | 'apart'

const capabilities: Readonly<Record<MemoryPlace, string>> = {
  within: 'mapped-ram',
  // That of memory which others may map as well, and QEMU's own is such.
  apart: 'x-ignore-shared',
}

/** What is moved, and to where or from where. */
export interface Move {
  /** The caller's; opened for writing by one who saves, else for reading. */
  readonly fd: number
  readonly memory: MemoryPlace
  /** How long it may take, milliseconds (../settings/moving-time.ts). */
  readonly longestMs: number
}

/**
 * Bytes a second: more than any disk takes. QEMU's own bound is one for networks that others use as well (128 MiB/s), and a guest would stand
 * still for longer than its disk needs.
 */
const noBound = 100 * 2 ** 30

/** How long a save that is given up may take to end, milliseconds: no longer than the one write that it is in. */
const cancelMs = 30_000

/** What QEMU says of a disk without room, and the error of the system that it means. */
const fullDisk: Readonly<Record<string, string>> = {
  'No space left on device': 'ENOSPC',
  'Disk quota exceeded': 'EDQUOT',
}

/** @throws KataError VMM_COMMAND_FAILED with QEMU's reason, SyscallError ENOSPC, EDQUOT. Nothing writes to the file any more then. */
export async function saveState(execute: Execute, move: Move): Promise<void> {
  await execute('stop')
  await execute('migrate-set-parameters', { 'max-bandwidth': noBound })
  await inSet(execute, move, async (uri) => {
    try {
      await execute('migrate', { uri })
      await finished(execute, 'migrate', move)
    } catch (error) {
      // One that goes on would stop the guest once it is done, and nobody would let it go on. Why it failed matters more.
      await cancel(execute).catch(() => {})
      throw error
    }
  })
}

/** @throws KataError VMM_COMMAND_FAILED with QEMU's reason. */
export async function restoreState(execute: Execute, move: Move): Promise<void> {
  await inSet(execute, move, async (uri) => {
    await execute('migrate-incoming', { uri, 'exit-on-error': false })
    await finished(execute, 'migrate-incoming', move)
  })
}

/** QEMU opens it by the name of a set in place of a path, and closes it when the set goes. */
async function inSet(
  execute: Execute,
  { fd, memory }: Move,
  work: (uri: string) => Promise<void>,
): Promise<void> {
  // A clone that is saved was given the other one as it began.
  const wanted = Object.entries(capabilities).map(([place, capability]) => ({
    capability,
    state: place === memory,
  }))
  await execute('migrate-set-capabilities', { capabilities: wanted })
  const set = await addFd(execute, fd)
  const removed = () => execute('remove-fd', { 'fdset-id': set })
  try {
    await work(`file:${fdSetPath(set)}`)
  } catch (error) {
    // A file that QEMU keeps open takes its room even after it was removed.
    await removed().catch(() => {})
    throw error
  }
  await removed()
}

async function finished(execute: Execute, command: string, { longestMs }: Move): Promise<void> {
  const outcome = await poll(() => outcomeOf(execute), { timeoutMs: longestMs, longestMs: 20 })
  if (outcome?.status === 'completed') return
  const reason = outcome?.reason ?? `it is not done after ${longestMs / 1000} s`
  const full = Object.keys(fullDisk).find((words) => reason.includes(words))
  if (full !== undefined) throw new SyscallError(`${command} of the VMM`, fullDisk[full]!, 'make room there.')
  throw new KataError('VMM_COMMAND_FAILED', { command, reason })
}

/** Ends the save that is under way, if one is, and waits until it writes no more. */
async function cancel(execute: Execute): Promise<void> {
  await execute('migrate_cancel')
  const isOver = async () => {
    const { status = 'none' } = await migration(execute)
    return status === 'none' || ended.has(status)
  }
  await until(isOver, { timeoutMs: cancelMs, longestMs: 20 })
}

const ended: ReadonlySet<unknown> = new Set(['completed', 'failed', 'cancelled'])

/** Undefined while it is under way. */
async function outcomeOf(execute: Execute): Promise<{ status: unknown; reason: string } | undefined> {
  const { status, 'error-desc': said } = await migration(execute)
  if (!ended.has(status)) return undefined
  return {
    status,
    reason: said === undefined ? `it is ${status}` : asText(said, 'the reason of a migration'),
  }
}

const migration = async (execute: Execute) =>
  asObject(await execute('query-migrate'), 'answer to query-migrate')
