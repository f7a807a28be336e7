/** Lines for people, on the guest's console: few, because each character of it costs the host an exit. */
import { err } from 'std'
import { describe } from '../errors.ts'

export function say(line: string): void {
  err.puts(`kata-agent ${line}\n`)
  err.flush()
}

/** Says what went wrong, with everything that led to it. */
export function sayError(what: string, error: unknown): void {
  const causes: string[] = []
  for (
    let cause = error;
    cause !== undefined && causes.length < 5;
    cause = (cause as { cause?: unknown }).cause
  )
    causes.push(describe(cause))
  say(`${what}: ${causes.join(': ')}`)
}
