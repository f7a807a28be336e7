/** Errors that no code in the shim caught. */
import type { Logger } from '../../log.ts'

/**
 * Calls `end` on the first one. A shim that continues after such an error may have lost the exit of a process, and its client would
 * wait for ever. A client always notices a sandbox that ends.
 */
export function onUnhandled(log: Logger, end: () => void): void {
  const handle = (error: unknown) => {
    log.error('an error that nothing caught ends the sandbox', { error })
    end()
  }
  process.on('unhandledRejection', handle)
  process.on('uncaughtException', handle)
}
