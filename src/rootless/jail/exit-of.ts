/** How a child of Bun's ended. */
import type { Subprocess } from 'bun'
import type { ExitInfo } from './launch-spec.ts'

/** Resolves once the child has ended: with its exit code, or the signal that killed it. */
export const exitOf = (child: Pick<Subprocess, 'exited' | 'exitCode' | 'signalCode'>): Promise<ExitInfo> =>
  child.exited.then(() => ({ code: child.exitCode, signal: child.signalCode as NodeJS.Signals | null }))
