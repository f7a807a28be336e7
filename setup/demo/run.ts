/** One `kata-ts run` as a person types it, held open at its standard input until everything was looked at. */
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { executable } from '../paths.ts'
import { readSandboxFacts, type StartedFacts } from './sandbox-facts.ts'

export interface DemoRun {
  readonly facts: StartedFacts
  /** When the command was given, milliseconds after 1970. */
  readonly startedAt: number
  /** What the container printed. */
  readonly output: string
  /** Milliseconds from the command to the first byte of the container's output. */
  readonly firstOutputMs: number
  /** Lets the container end and waits for the command. */
  finish(): Promise<{ code: number; ms: number; errors: string }>
  /** Ends it in any case. */
  [Symbol.asyncDispose](): Promise<void>
}

const startTimeoutMs = 60_000
const endTimeoutMs = 30_000

/** The arguments of `kata-ts`. After its answers the container waits for the end of its standard input. */
export function runArguments(name: string, script: string): string[] {
  return ['run', '--rm', '-i', '--name', name, '--', 'sh', '-c', `${script}; echo; cat`]
}

/**
 * Starts it and waits for the whole of the first output, which the script ends with an empty line.
 *
 * @throws Error with what the command said.
 */
export async function startRun(name: string, script: string): Promise<DemoRun> {
  const startedAt = Date.now()
  const begun = performance.now()
  const child = Bun.spawn([executable, ...runArguments(name, script)], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const errors = child.stderr.text()
  const timer = setTimeout(() => child.kill('SIGTERM'), startTimeoutMs)
  const dispose = async () => {
    clearTimeout(timer)
    child.kill('SIGTERM')
    const killer = setTimeout(() => child.kill('SIGKILL'), endTimeoutMs)
    await child.exited
    clearTimeout(killer)
  }
  let firstOutputMs = 0
  let output = ''
  const answered = Promise.withResolvers<void>()
  // Read to the very end: a reader that goes away would end the container.
  const drained = (async () => {
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      if (output === '') firstOutputMs = performance.now() - begun
      output += chunk
      if (output.endsWith('\n\n')) answered.resolve()
    }
  })()
  await Promise.race([answered.promise, drained])
  clearTimeout(timer)
  if (!output.endsWith('\n\n')) {
    await dispose()
    throw new Error(`the run failed: ${(await errors).trim() || `exit code ${child.exitCode}`}`)
  }
  return {
    startedAt,
    facts: readSandboxFacts(defaultRunDir, name),
    output: output.trimEnd(),
    firstOutputMs,
    finish: async () => {
      const since = performance.now()
      child.stdin.end()
      const killer = setTimeout(() => child.kill('SIGKILL'), endTimeoutMs)
      const code = await child.exited
      await drained
      clearTimeout(killer)
      return { code, ms: performance.now() - since, errors: (await errors).trim() }
    },
    [Symbol.asyncDispose]: dispose,
  }
}
