/** Accounts that really exist: shadow's useradd and userdel, one call each, under their own lock. */
import { accessSync, constants } from 'node:fs'
import { KataError } from '../../errors.ts'
import { runTool, type ToolResult } from '../../linux/processes/run-tool.ts'
import { findTool, toolDirectories } from '../../linux/processes/which.ts'
import { lastWords } from '../../plain-text.ts'
import { realClock, sleep } from '../../time.ts'
import { accountComment, readLines } from './uid-range.ts'

/** Exit codes of useradd(8), userdel(8) and groupdel(8). */
const exits = { passwdBusy: 1, uidTaken: 4, nameTaken: 9, groupBusy: 10 } as const
/** How long many starts at once may queue for the lock of /etc/passwd. */
const lockPatienceMs = 30_000

/**
 * One call makes user and group with the same id outside of every configured range, without home directory, mailbox, login
 * shell or subordinate ids.
 *
 * @throws KataError ETC_READ_ONLY, ACCOUNT_TOOL_MISSING, ACCOUNT_TAKEN (name or id exists), ACCOUNT_FAILED.
 */
export async function addUser(name: string, uid: number, signal?: AbortSignal): Promise<void> {
  checkWritable('/etc')
  checkWritable('/etc/passwd')
  const bounds = ['UID_MIN', 'UID_MAX', 'GID_MIN', 'GID_MAX'].flatMap((key) => ['-K', `${key}=${uid}`])
  const result = await withLock(
    [
      ...[tool('useradd'), '-l', '-M', '-U', '-u', `${uid}`, ...bounds],
      ...['-K', 'SUB_UID_COUNT=0', '-K', 'SUB_GID_COUNT=0', '-d', '/nonexistent'],
      // Where the host has it make a mailbox for every user (CREATE_MAIL_SPOOL), it cannot here. userdel would leave that.
      ...['-K', 'MAIL_DIR=/nonexistent'],
      ...['-s', findTool('nologin') ?? '/usr/sbin/nologin', '-c', accountComment, name],
    ],
    signal,
  )
  if (result.code === exits.uidTaken || result.code === exits.nameTaken)
    throw new KataError('ACCOUNT_TAKEN', { name, uid })
  if (result.code !== 0) throw failed('useradd', name, result)
}

/**
 * Removes exactly that account, even if a crash of useradd left it half made. The line of passwd must have our comment, the line of
 * group our id. Anything else with that name is not ours and stays.
 *
 * @throws KataError ACCOUNT_FAILED when a line stays nevertheless.
 */
export async function deleteUser(name: string, uid: number): Promise<void> {
  if (userOf(name, uid)?.[4] === accountComment) {
    const result = await withLock([tool('userdel'), '-f', name])
    if (userOf(name, uid) !== undefined) throw failed('userdel', name, result)
  }
  if (userOf(name, uid) === undefined && groupExists(name, uid)) {
    const result = await withLock([tool('groupdel'), name])
    if (groupExists(name, uid)) throw failed('groupdel', name, result)
  }
}

/** The fields of the passwd line with this name and id. */
function userOf(name: string, uid: number): string[] | undefined {
  return readLines('/etc/passwd')
    .map((line) => line.split(':'))
    .find((fields) => fields[0] === name && Number(fields[2]) === uid)
}

function groupExists(name: string, gid: number): boolean {
  return readLines('/etc/group').some(
    (line) => line.startsWith(`${name}:`) && Number(line.split(':')[2]) === gid,
  )
}

/** Repeats while another process holds the lock, with random pauses so that many do not meet again and again. */
async function withLock(argv: readonly string[], signal?: AbortSignal): Promise<ToolResult> {
  const deadline = realClock.now() + lockPatienceMs
  for (let pause = 5; ; pause = Math.min(pause * 2, 200)) {
    signal?.throwIfAborted()
    const result = await runTool(argv)
    const busy = result.code === exits.passwdBusy || result.code === exits.groupBusy
    if (!busy || realClock.now() > deadline) return result
    await sleep(pause * (0.5 + Math.random()), signal)
  }
}

function checkWritable(path: string): void {
  try {
    accessSync(path, constants.W_OK)
  } catch (error) {
    throw new KataError('ETC_READ_ONLY', { path, errno: (error as NodeJS.ErrnoException).code ?? 'unknown' })
  }
}

function tool(name: string): string {
  const path = findTool(name)
  if (path === undefined)
    throw new KataError('ACCOUNT_TOOL_MISSING', { tool: name, directories: toolDirectories.join(', ') })
  return path
}

function failed(name: string, account: string, { code, stderr }: ToolResult): KataError {
  const told = { tool: name, name: account, code: code ?? 'signal', stderr: lastWords(stderr) }
  return new KataError('ACCOUNT_FAILED', told)
}
