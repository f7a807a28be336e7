/**
 * `teardown`: does the work of `delete` in another process. containerd kills a `delete` that takes longer than 5 s
 * (`io.containerd.timeout.shim.cleanup`), counts the task as gone all the same and never asks again. So the work runs in a process
 * that containerd does not know.
 */
import { closeSync, fstatSync, lstatSync, openSync, readSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { failpointsOf } from '../ledger/failpoints.ts'
import { openNameless } from '../linux/files/nameless-file.ts'
import { createLogger, type Logger } from '../log.ts'
import { stillUsed, teardown } from '../sandbox/end/teardown.ts'
import { removeDeadSocket } from '../sandbox/records/dead-socket.ts'
import { defaultRunDir, sandboxPaths, shimSocketPath } from '../sandbox/records/paths.ts'
import { within } from '../time.ts'
import type { ShimFlags } from './flags.ts'
import { spawnSelf } from './self.ts'

/** `delete` answers containerd within this time of its start, milliseconds. */
export const answerMs = 4000

/** Does the work, even if the process that waits for it dies. */
export async function tearDownShim(flags: ShimFlags): Promise<number> {
  const { namespace, id, runDir = defaultRunDir } = flags
  const log = createLogger({ level: 'warn', fields: { sandbox: id, subsystem: 'shim-delete' } })
  await teardown(sandboxPaths(runDir, namespace, id), log, failpointsOf('delete', process.env, log))
  removeDeadSocket(shimSocketPath(runDir, namespace, id))
  return 0
}

/**
 * Starts a process that tears the sandbox down, and waits for it; for containerd only as long as containerd itself waits. After that
 * time the sandbox counts as gone if none of its processes is left and none of the client's files is in use. A warning says so, and
 * the rest is released meanwhile.
 *
 * @throws KataError TEARDOWN_GOES_ON when it does not count as gone; Error with the teardown's own words when that failed.
 */
export async function tearDownApart(flags: ShimFlags, bundle: string, log: Logger): Promise<void> {
  const { namespace, id, runDir = defaultRunDir } = flags
  const paths = sandboxPaths(runDir, namespace, id)
  // A name whose directory was removed by hand goes, too.
  if (lstatSync(paths.stateDir, { throwIfNoEntry: false }) === undefined) return
  const output = fileForWords(paths.runDir, log)
  try {
    const child = spawnSelf('teardown', flags, { bundle, cwd: '/', stdio: ['ignore', output, output] })
    const isContainerd = flags.address !== ''
    const code = await (isContainerd
      ? within(child.exited, Math.max(answerMs - performance.now(), 0))
      : child.exited)
    if (code !== undefined) {
      if (code !== 0) throw new Error(textOf(output) || `the teardown ended with ${child.signalCode ?? code}`)
      return
    }
    child.unref()
    const seconds = answerMs / 1000
    const held = stillUsed(paths, log)
    if (held.length > 0)
      throw new KataError('TEARDOWN_GOES_ON', { id, seconds, held: held.join(', '), pid: child.pid })
    log.warn('no process of the sandbox is left; the rest is released by another process', { pid: child.pid })
  } finally {
    closeSync(output)
  }
}

/** A file for its words, writing to which does not fail. Where there is no room for one, words are lost, and no more. */
function fileForWords(directory: string, log: Logger): number {
  try {
    return openNameless(directory)
  } catch (error) {
    log.warn('the teardown goes on without its words being kept', { error })
    return openSync('/dev/null', 'r+')
  }
}

function textOf(fd: number): string {
  const bytes = Buffer.alloc(Math.min(fstatSync(fd).size, 64 * 1024))
  return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0)).trim()
}
