/** Runs the hooks that make a network (../oci/hooks.ts); they get the pid of the process that holds the network namespace. */
import { existsSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import type { ResourceKind } from '../../ledger/ledger.ts'
import { outputUntil } from '../../linux/processes/child-output.ts'
import type { Logger } from '../../log.ts'
import type { OciHook } from '../../oci/spec.ts'
import { longestTimerMs } from '../../time.ts'

/** What a hook reads on its stdin: the state of a container (runtime.md). */
export interface HookState {
  readonly ociVersion: string
  readonly id: string
  readonly status: 'creating' | 'stopped'
  /** Absent once it has stopped. */
  readonly pid?: number
  readonly bundle: string
  readonly annotations: Readonly<Record<string, string>>
}

/** Timeout of a hook that sets none, seconds. */
const defaultSeconds = 60
const tailLength = 400

/** Runs the hooks one after the other. @throws KataError HOOK_FAILED at the first that fails; the signal's reason. */
export async function runHooks(
  hooks: readonly OciHook[],
  state: HookState,
  signal?: AbortSignal,
): Promise<void> {
  for (const hook of hooks) {
    signal?.throwIfAborted()
    await runHook(hook, state, signal)
  }
}

async function runHook(
  { path, args = [path], env = [], timeout = defaultSeconds }: OciHook,
  state: HookState,
  signal?: AbortSignal,
) {
  const fail = (reason: string, cause?: unknown) => new KataError('HOOK_FAILED', { path, reason }, { cause })
  const [argv0 = path, ...rest] = args
  try {
    const child = Bun.spawn({
      cmd: [path, ...rest],
      argv0,
      // A client removes the bundle of a shim that was killed, and does not wait for the end of a release that takes long.
      cwd: existsSync(state.bundle) ? state.bundle : '/',
      env: Object.fromEntries(env.map((entry) => [entry.split('=')[0], entry.slice(entry.indexOf('=') + 1)])),
      stdin: new Blob([JSON.stringify(state)]),
      stdout: 'ignore',
      stderr: 'pipe',
      timeout: Math.min(timeout * 1000, longestTimerMs),
      killSignal: 'SIGKILL',
      ...(signal && { signal }),
    } as const)
    const [stderr, code] = await Promise.all([outputUntil(child.stderr, child.exited), child.exited])
    signal?.throwIfAborted()
    if (code === 0) return
    const words = stderr.slice(-tailLength).trim()
    throw fail([howItEnded(child, timeout), ...(words === '' ? [] : [words])].join(': '))
  } catch (error) {
    throw error instanceof KataError ? error : fail(String(error), error)
  }
}

/** SIGKILL is ours, once its time is over. */
function howItEnded({ exitCode, signalCode }: Bun.Subprocess, seconds: number): string {
  if (signalCode === null) return `exit code ${exitCode}`
  return signalCode === 'SIGKILL' ? `it was ended after ${seconds} s` : `it was ended by ${signalCode}`
}

export interface PoststopData {
  readonly hooks: readonly OciHook[]
  readonly state: HookState
}

/** A hook that fails is logged and passed over: what it leaves is not ours to undo. */
export const poststopResource: ResourceKind<PoststopData> = {
  kind: 'poststop-hooks',
  release: async ({ hooks, state }, log: Logger) => {
    // After a crash the number may be another process's, whose namespaces are not the hook's to change.
    const { pid: _, ...left } = state
    for (const hook of hooks)
      await runHook(hook, { ...left, status: 'stopped' }).catch((error) =>
        log.warn('a poststop hook failed', { error }),
      )
  },
}
