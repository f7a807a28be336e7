/** What an end was, from all that is known of it: what the VMM reported, its exit, and the last words of guest and VMM. */

import type { VmEnd } from '../vmm.ts'
import { panicMark } from './end-error.ts'
import type { EndWatch } from './end-watch.ts'

/**
 * A kernel that panics resets the machine at once, so that its report is the last that the console has. A VMM that takes
 * such a reset for an error of its own exits with a code; one that was killed has a signal.
 */
export function endReason(
  { reason, exit, consoleTail, logTail }: VmEnd,
  { wasReset, faultSaid }: Pick<EndWatch, 'wasReset' | 'faultSaid'>,
): VmEnd['reason'] {
  const failed = reason === 'exited' && exit !== undefined && exit.code !== null && exit.code !== 0
  if ((wasReset || failed) && consoleTail.includes(panicMark)) return 'guest-panicked'
  return wasReset || (failed && faultSaid?.test(logTail)) ? 'reset' : reason
}
