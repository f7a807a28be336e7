/** Ending processes: only ones that we can name exactly, and always waited for. */
import { isAlive, type ProcessRef } from './proc.ts'

/** Sends `signal` if exactly this process still runs. */
export function signalProcess(ref: ProcessRef, signal: NodeJS.Signals): void {
  if (!isAlive(ref)) return
  try {
    process.kill(ref.pid, signal)
  } catch {
    // It ended between the check and the call.
  }
}

/** Resolves true once the process is gone (a zombie counts as gone), false when `timeoutMs` passes first. */
export async function waitGone(ref: ProcessRef, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs
  for (let pause = 1; isAlive(ref); pause = Math.min(pause * 2, 50)) {
    if (Date.now() > deadline) return false
    await Bun.sleep(pause)
  }
  return true
}

/** SIGKILL, then wait. Resolves false if it would not go (a process in uninterruptible sleep). */
export async function killAndWait(ref: ProcessRef, timeoutMs = 5000): Promise<boolean> {
  signalProcess(ref, 'SIGKILL')
  return waitGone(ref, timeoutMs)
}
