/** Errors that nothing in the shim caught. */
import type { Logger } from '../../log.ts'

/**
 * Calls `end` on the first one. Whoever lives on after such an error may have lost the end of a process, which its client
 * would wait for without end; a sandbox that ends is noticed by everybody.
 */
export function onUnhandled(log: Logger, end: () => void): void {
  const handle = (error: unknown) => {
    log.error('an error that nothing caught ends the sandbox', { error })
    end()
  }
  process.on('unhandledRejection', handle)
  process.on('uncaughtException', handle)
}
