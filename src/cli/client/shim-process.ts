/**
 * Runs the shim's short-lived actions as containerd does: `start` leaves a daemon behind and prints its address, `delete` releases what a
 * container holds and prints how it ended.
 */
import { existsSync, rmSync } from 'node:fs'
import { readFailure } from '../../bundle/failure.ts'
import { bundleFile } from '../../bundle/files.ts'
import { KataError } from '../../errors.ts'
import { lastWords } from '../../plain-text.ts'
import { DeleteResponse } from '../../protocol/generated/containerd/task.ts'
import { Any } from '../../protocol/generated/google/protobuf/any.ts'
import { shimName } from '../../version.ts'
import type { Settings } from '../settings.ts'
import { shimEnvironment } from './shim-environment.ts'

export interface ShimTarget {
  readonly namespace: string
  readonly id: string
  /** The working directory of the action. */
  readonly bundle: string
}

const startTimeoutMs = 30_000
/** Long enough for a machine that is slow to end, see the shim's own deadlines. */
const deleteTimeoutMs = 90_000

/**
 * Starts the shim and returns the address that it prints, for instance `unix:///run/kata-ts/s/1f2e`. The shim needs the options of the later
 * Create, because a waiting machine with another configuration must not be used.
 *
 * @throws KataError errors of the shim that have a code; SHIM_START_FAILED for others; START_GIVEN_UP if the bundle was removed meanwhile.
 */
export async function startShim(
  settings: Settings,
  target: ShimTarget,
  options?: Pick<Any, 'typeUrl' | 'value'>,
): Promise<string> {
  const input = options && Any.encode(Any.fromPartial(options)).finish()
  if (!existsSync(target.bundle)) throw removedMeanwhile(target.id)
  const { stdout, stderr, exitCode } = await act(settings, target, 'start', startTimeoutMs, input)
  const address = new TextDecoder().decode(stdout).trim()
  if (exitCode === 0 && address.startsWith('unix://')) return address
  const failure = readFailure(target.bundle, 'actionFailure')
  if (failure !== undefined) throw failure
  const reason = `exit code ${exitCode}, no address; ${lastWords(lastLine(stderr))}`
  throw new KataError('SHIM_START_FAILED', { id: target.id, reason })
}

/** The error of a start whose container's directory is gone. */
export const removedMeanwhile = (id: string, cause?: unknown): KataError =>
  new KataError('START_GIVEN_UP', { id, reason: 'its container was removed meanwhile' }, { cause })

/**
 * Releases everything that the container still holds; does nothing if that was done before. Returns the exit code that the shim knows.
 *
 * @throws KataError SHIM_DELETE_FAILED with the shim's error.
 */
export async function deleteShim(settings: Settings, target: ShimTarget): Promise<number> {
  const { id, bundle } = target
  const { stdout, stderr, exitCode } = await act(settings, target, 'delete', deleteTimeoutMs)
  if (exitCode === 0) return DeleteResponse.decode(stdout).exitStatus
  const cause = readFailure(bundle, 'actionFailure')
  const reason = cause?.rawMessage ?? `exit code ${exitCode}; ${lastWords(lastLine(stderr))}`
  throw new KataError('SHIM_DELETE_FAILED', { id, reason }, { cause })
}

async function act(
  settings: Settings,
  target: ShimTarget,
  action: 'start' | 'delete',
  timeout: number,
  input?: Uint8Array,
) {
  const { self, env, runDir, debug } = settings
  const { namespace, id, bundle } = target
  rmSync(bundleFile(bundle, 'actionFailure'), { force: true })
  const flags = ['-namespace', namespace, '-id', id, '-bundle', bundle, '-run-dir', runDir]
  const child = Bun.spawn([self.program, ...self.prefix, ...flags, ...(debug ? ['-debug'] : []), action], {
    argv0: shimName,
    // Another process may have removed the bundle meanwhile, which `delete` does not need. `start` writes there.
    cwd: action === 'start' || existsSync(bundle) ? bundle : '/',
    env: shimEnvironment(env),
    stdio: [input ?? 'ignore', 'pipe', 'pipe'],
    // The action gets its own session, so that Ctrl-C reaches only us and does not end the action half-way.
    detached: true,
    timeout,
    killSignal: 'SIGKILL',
  })
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).bytes(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  settings.log.debug('shim action', { action, id, exitCode, stderr })
  return { stdout, stderr, exitCode }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}
