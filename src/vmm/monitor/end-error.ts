/** What a sandbox says when its machine is over or silent: always with the last words of guest and VMM. */
import { KataError } from '../../errors.ts'
import type { AcceleratorChoice } from '../kvm/accelerator.ts'
import type { VmEnd } from '../vmm.ts'
import { withoutAgentLog } from './agent-log.ts'

/** Longest tail that goes into an error's sentence; the whole is in the log files. */
const longestTail = 600

/** The coded error for an end that was not requested; `program` is the VMM's path. */
export function vmEndError(end: VmEnd, sandbox: string, program: string): KataError {
  const guest = lastWords(end.consoleTail, end.logTail)
  switch (end.reason) {
    case 'guest-panicked':
      return new KataError('VMM_GUEST_PANICKED', { sandbox, tail: panicWords(end.consoleTail) ?? guest })
    case 'shutdown':
      return new KataError('VMM_GUEST_SHUT_DOWN', { sandbox, how: 'switched itself off', tail: guest })
    case 'reset':
      return new KataError('VMM_GUEST_SHUT_DOWN', { sandbox, how: 'reset itself', tail: guest })
    case 'internal-error':
      return new KataError('VMM_INTERNAL_ERROR', { sandbox, tail: lastWords(end.logTail, end.consoleTail) })
    case 'exited':
      return new KataError('VMM_EXITED', {
        ...{ sandbox, program, exit: exitOf(end) },
        tail: lastWords(end.logTail, end.consoleTail),
      })
  }
}

const exitOf = ({ exit }: VmEnd): string => exit?.signal ?? `exit code ${exit?.code ?? 'unknown'}`

/** The same end as the cause of something else, in half a sentence. */
export function endSentence(end: VmEnd): string {
  switch (end.reason) {
    case 'guest-panicked':
      return `its guest kernel panicked: ${panicSentence(end.consoleTail)}`
    case 'shutdown':
      return 'its guest switched itself off'
    case 'reset':
      return 'its guest reset itself'
    case 'internal-error':
      return 'the VMM stopped its guest with an internal error'
    case 'exited':
      return `the VMM ended (${exitOf(end)})`
  }
}

/** The coded error for a guest whose agent did not answer in time. */
export function guestSilentError(
  sandbox: string,
  seconds: number,
  { accelerator, reason }: Pick<AcceleratorChoice, 'accelerator' | 'reason'>,
  consoleTail: string,
): KataError {
  const tail = lastWords(consoleTail)
  return new KataError('VMM_GUEST_SILENT', { sandbox, seconds, accelerator, reason, tail })
}

/** The end of the first text that is not empty. */
export function lastWords(...texts: readonly string[]): string {
  const text = texts.map((candidate) => withoutAgentLog(candidate).trim()).find((words) => words !== '')
  return text?.slice(-longestTail) ?? '(it said nothing)'
}

/**
 * The reason stands at the head of a panic and registers follow, so the end alone would not tell it. When the first
 * process gave up, the kernel knows no more than that, and the line before is that process' own reason.
 */
export function panicWords(consoleTail: string): string | undefined {
  const at = consoleTail.indexOf(panicMark)
  if (at < 0) return undefined
  const before = consoleTail.slice(0, at).split('\n').at(-2) ?? ''
  const panic = consoleTail.slice(at, at + longestTail).trim()
  return before.startsWith(agentMark) ? `${before.slice(0, longestTail)}\n${panic}` : panic
}

/** The one line that says why. */
function panicSentence(consoleTail: string): string {
  return panicWords(consoleTail)?.split('\n')[0] ?? 'its console does not say why'
}

/** How the guest agent begins its lines (guest/agent/src/system/console.ts). */
const agentMark = 'kata-agent '
/** How the kernel begins the report of a panic (kernel/panic.c). */
export const panicMark = 'Kernel panic - not syncing'
