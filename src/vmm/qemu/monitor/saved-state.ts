/**
 * The state of a machine as a file: saved from one that stands still, and taken over by one that has not run yet. Each page of memory
 * has its place in the file (`mapped-ram`), and what was never written is a hole: in QEMU's stream a clone would touch all of its memory
 * to find that it is zero, which takes a second for 2 GiB. Or the memory is a file of its own (../guest-memory.ts), and QEMU is told to
 * leave it alone.
 */
import { KataError } from '../../../errors.ts'
import { poll } from '../../../time.ts'
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

/** How long reading or writing a whole machine may take, milliseconds: some GiB on a slow disk. */
const longestMs = 120_000

/** The descriptor was opened for writing, and is the caller's. @throws KataError VMM_COMMAND_FAILED with QEMU's reason. */
export async function saveState(execute: Execute, fd: number, memory: MemoryPlace = 'within'): Promise<void> {
  await execute('stop')
  await inSet(execute, { fd, memory }, async (uri) => {
    await execute('migrate', { uri })
    await finished(execute, 'migrate')
  })
}

/** The descriptor was opened for reading, and is the caller's. @throws KataError VMM_COMMAND_FAILED with QEMU's reason. */
export async function restoreState(
  execute: Execute,
  fd: number,
  memory: MemoryPlace = 'within',
): Promise<void> {
  await inSet(execute, { fd, memory }, async (uri) => {
    await execute('migrate-incoming', { uri, 'exit-on-error': false })
    await finished(execute, 'migrate-incoming')
  })
}

/** QEMU opens it by the name of a set in place of a path, and closes it when the set goes. */
async function inSet(
  execute: Execute,
  { fd, memory }: { readonly fd: number; readonly memory: MemoryPlace },
  work: (uri: string) => Promise<void>,
): Promise<void> {
  // A clone that is saved was given the other one as it began.
  const wanted = Object.entries(capabilities).map(([place, capability]) => ({
    capability,
    state: place === memory,
  }))
  await execute('migrate-set-capabilities', { capabilities: wanted })
  const set = await addFd(execute, fd)
  await work(`file:${fdSetPath(set)}`)
  await execute('remove-fd', { 'fdset-id': set })
}

async function finished(execute: Execute, command: string): Promise<void> {
  const outcome = await poll(() => outcomeOf(execute), { timeoutMs: longestMs, longestMs: 20 })
  if (outcome?.status === 'completed') return
  const reason = outcome?.reason ?? `it is not done after ${longestMs / 1000} s`
  throw new KataError('VMM_COMMAND_FAILED', { command, reason })
}

/** Undefined while it is under way. */
async function outcomeOf(execute: Execute): Promise<{ status: string; reason: string } | undefined> {
  const answer = asObject(await execute('query-migrate'), 'answer to query-migrate')
  const { status, 'error-desc': said } = answer
  if (status !== 'completed' && status !== 'failed' && status !== 'cancelled') return undefined
  return {
    status,
    reason: said === undefined ? `it is ${status}` : asText(said, 'the reason of a migration'),
  }
}
