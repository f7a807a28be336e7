/** A command timed as a person would: to its first output, and to its end. */
import { closeSync, openSync } from 'node:fs'
import { slow } from '../e2e/harness/time.ts'

/** Longest that any one command may take, milliseconds: a hang ends the benchmark instead of the day. */
const commandDeadlineMs = slow(60_000)

export interface Measured {
  readonly code: number
  readonly stderr: string
  /** The last 4 KiB of its standard output, or all. */
  readonly tail: string
  /** Milliseconds from the command to the first byte on its standard output; undefined when there was none. */
  readonly firstByteMs: number | undefined
  /** Milliseconds from the command to the end of its process. */
  readonly totalMs: number
  /** Milliseconds between the first and the last byte. */
  readonly streamMs: number
  readonly bytes: number
  /** When the command was given, milliseconds after 1970. */
  readonly startedAt: number
}

export interface MeasureOptions {
  /** Called the moment that it writes something. */
  readonly onFirstByte?: (() => void) | undefined
  /** File for its standard input; /dev/null when absent. */
  readonly stdin?: string | undefined
  /** Told of the process once it runs. */
  readonly onSpawn?: (child: Bun.Subprocess) => void
}

/** Runs a command to its end. */
export async function measureCommand(
  argv: readonly string[],
  { onFirstByte, stdin = '/dev/null', onSpawn }: MeasureOptions = {},
): Promise<Measured> {
  const input = openSync(stdin, 'r')
  const startedAt = Date.now()
  const begun = performance.now()
  const child = Bun.spawn([...argv], {
    stdio: [input, 'pipe', 'pipe'],
    timeout: commandDeadlineMs,
    killSignal: 'SIGTERM',
  })
  closeSync(input)
  onSpawn?.(child)
  const errors = child.stderr.text()
  let [first, last, bytes] = [0, 0, 0]
  let tail = Buffer.alloc(0)
  for await (const chunk of child.stdout) {
    last = performance.now() - begun
    if (bytes === 0) {
      first = last
      onFirstByte?.()
    }
    bytes += chunk.length
    tail = Buffer.concat([tail, chunk.subarray(-4096)]).subarray(-4096)
  }
  const code = await child.exited
  const totalMs = performance.now() - begun
  return {
    code,
    stderr: await errors,
    tail: tail.toString(),
    totalMs,
    streamMs: last - first,
    bytes,
    startedAt,
    firstByteMs: bytes > 0 ? first : undefined,
  }
}

/** As {@link measureCommand}, but a failure is an error. */
export async function mustCommand(argv: readonly string[], options?: MeasureOptions): Promise<Measured> {
  const measured = await measureCommand(argv, options)
  if (measured.code !== 0)
    throw new Error(`${argv.join(' ')}: exit code ${measured.code}: ${measured.stderr.trim()}`)
  return measured
}
