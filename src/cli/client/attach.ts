/** Attaches the caller to a process: streams, window size and signals, until it ends. */

import { KataError } from '../../errors.ts'
import { isTerminal } from '../../linux/is-terminal.ts'
import { SIGKILL } from '../../linux/processes/signal.ts'
import type { Logger } from '../../log.ts'
import { runtimeFailed } from '../exit-code.ts'
import { parseSignal } from '../parse/signal.ts'
import type { SignalCatcher } from './signals.ts'
import type { AttachedStreams } from './streams.ts'
import { answerStatus, type TaskClient } from './task.ts'
import { thaw } from './thaw.ts'

export interface AttachOptions {
  readonly task: TaskClient
  readonly id: string
  /** Empty for the container's init process. */
  readonly execId: string
  readonly streams: AttachedStreams
  readonly signals: SignalCatcher
  readonly interactive: boolean
  readonly terminal: boolean
  /** Whether the process runs already. Then it continues if the caller's output fails. */
  readonly isStarted?: boolean
  /** Detaches from the process when it fires. */
  readonly gone?: AbortSignal | undefined
  readonly log: Logger
  /** Whether signals go to the process. Otherwise the first signal detaches. Default true. */
  readonly passesSignals?: boolean
  /** Sends a forwarded signal with `send`. Resolves to whether the signal is meant to end the container. */
  readonly sendSignal?: (signal: number, send: () => Promise<void>) => Promise<boolean>
  /** Prints a message for the user. */
  readonly tell: (text: string) => void
}

/**
 * Starts the process, attaches the caller to it and returns its exit code; undefined if the caller has detached.
 *
 * @throws KataError errors of `start`; SHIM_DIED if the shim died.
 */
export async function attach(options: AttachOptions): Promise<number | undefined> {
  const { task, id, execId, streams, signals, log, sendSignal } = options
  const started = options.isStarted ? Promise.resolve() : task.start(execId)
  const kill = async (signal: number) => {
    const send = () => task.kill(signal, { execId })
    try {
      await started
      const ends = await (sendSignal?.(signal, send) ?? send())
      if (ends) await thaw(task)
    } catch (error) {
      log.debug('signal not delivered', { signal, error })
    }
  }
  // From here on the process may run, so signals go to it instead of ending its start.
  const left = Promise.withResolvers<undefined>()
  signals.handle((signal, repeated) => {
    if (options.passesSignals === false) left.resolve(undefined)
    else void kill(repeated ? SIGKILL : parseSignal(signal))
  })
  options.gone?.addEventListener('abort', () => left.resolve(undefined))
  if (options.gone?.aborted) left.resolve(undefined)
  await started
  const exited = task.wait(execId)
  // The promise is awaited below. A rejection before that must not count as unhandled.
  exited.catch(() => {})
  // If the reader has left (`| head`), a process that we started would write forever, so it is killed. One that ran before has its log.
  let lost: unknown
  void streams.broken.then((error) => {
    lost = error
    return options.isStarted ? left.resolve(undefined) : kill(SIGKILL)
  })
  const leaveTerminal = options.terminal ? await enterTerminal(options) : () => {}
  streams.started()
  try {
    const code = await Promise.race([exited, streams.detached, left.promise])
    if (code === undefined) {
      await streams.leave()
      return isFailure(lost) ? toldAs(lost, 0, options.tell) : undefined
    }
    await streams.finish()
    return isFailure(lost) ? toldAs(lost, code, options.tell) : code
  } catch (cause) {
    await streams.finish(500)
    if (isCallFailed(cause) && answerStatus(cause) === 'unavailable')
      throw new KataError('SHIM_DIED', { id }, { cause })
    throw cause
  } finally {
    leaveTerminal()
  }
}

/** Whether the call failed without an error code of the shim's. */
const isCallFailed = (error: unknown) => error instanceof KataError && error.code === 'SHIM_CALL_FAILED'

/** Whether output was lost. A reader that has left wants none, so EPIPE is no failure. */
function isFailure(lost: unknown): lost is NodeJS.ErrnoException {
  return lost !== undefined && (lost as NodeJS.ErrnoException).code !== 'EPIPE'
}

/** Reports the lost output. Returns the exit code, or an error code if the process succeeded. */
function toldAs(lost: NodeJS.ErrnoException, code: number, tell: AttachOptions['tell']): number {
  tell(new KataError('OUTPUT_FAILED', { errno: lost.code ?? lost.message }).message)
  return code || runtimeFailed
}

/** Makes the user's terminal raw, if it is our input, and gives the guest's terminal its size. */
async function enterTerminal({ task, execId, interactive, log }: AttachOptions): Promise<() => void> {
  const { makeRaw, windowSize } = await import('../../linux/terminal.ts')
  const resize = () => {
    const size = windowSize(0) ?? windowSize(1)
    if (size === undefined) return
    task.resize(size, execId).catch((error) => log.debug('resize failed', { error }))
  }
  const restore = interactive && isTerminal(0) ? makeRaw(0) : () => {}
  process.on('SIGWINCH', resize)
  // The terminal is restored however this process ends.
  process.on('exit', restore)
  resize()
  return () => {
    process.off('SIGWINCH', resize)
    process.off('exit', restore)
    restore()
  }
}

/** The size of the user's terminal, for a process that has not started yet. */
export async function callerWindow(): Promise<{ rows: number; columns: number } | undefined> {
  const { windowSize } = await import('../../linux/terminal.ts')
  return windowSize(0) ?? windowSize(1)
}

/** @throws KataError NOT_A_TERMINAL if a terminal is to be passed through and stdin is none. */
export function requireTerminal(options: { interactive: boolean; terminal: boolean }): void {
  if (options.interactive && options.terminal && !isTerminal(0)) throw new KataError('NOT_A_TERMINAL')
}
