/** The machine that is measured, and the runtime driven as a person drives it, in directories of its own. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { executable } from '../e2e/harness/executable.ts'
import { slow } from '../e2e/harness/time.ts'
import { readSandboxFacts, type StartedFacts } from '../setup/demo/sandbox-facts.ts'

/** Longest that any one command may take, milliseconds: a hang ends the benchmark instead of the day. */
const commandDeadlineMs = slow(60_000)

export interface Measured {
  readonly code: number
  readonly stderr: string
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

export class Host implements AsyncDisposable {
  readonly runDir = mkdtempSync('/run/kt-b-')
  readonly stateDir = mkdtempSync('/var/lib/kata-ts-bench-')
  readonly #running = new Set<Bun.Subprocess>()
  #closing = false

  /** Runs `kata-ts ARGS` to its end; `onFirstByte` is called the moment that it writes something. */
  async measure(args: readonly string[], onFirstByte: () => void = () => {}): Promise<Measured> {
    if (this.#closing && args[0] !== 'rm') throw new Error('the benchmark was interrupted')
    const startedAt = Date.now()
    const begun = performance.now()
    const child = Bun.spawn([executable, '--run-dir', this.runDir, '--state-dir', this.stateDir, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: commandDeadlineMs,
      killSignal: 'SIGTERM',
    })
    this.#running.add(child)
    const errors = child.stderr.text()
    let [first, last, bytes] = [0, 0, 0]
    for await (const chunk of child.stdout) {
      last = performance.now() - begun
      if (bytes === 0) {
        first = last
        onFirstByte()
      }
      bytes += chunk.length
    }
    const code = await child.exited
    this.#running.delete(child)
    const totalMs = performance.now() - begun
    const firstByteMs = bytes > 0 ? first : undefined
    return { code, stderr: await errors, firstByteMs, totalMs, streamMs: last - first, bytes, startedAt }
  }

  /** As {@link measure}, but a failure is an error. */
  async must(args: readonly string[], onFirstByte?: () => void): Promise<Measured> {
    const measured = await this.measure(args, onFirstByte)
    if (measured.code !== 0)
      throw new Error(`kata-ts ${args.join(' ')}: exit code ${measured.code}: ${measured.stderr.trim()}`)
    return measured
  }

  facts(name: string): StartedFacts {
    return readSandboxFacts(this.runDir, name)
  }

  /** A running sandbox that does nothing; removed with the host if not before. */
  async startIdle(name: string, options: readonly string[] = []): Promise<void> {
    await this.must(['run', '-d', ...options, '--name', name, '--', 'sleep', '3600'])
  }

  /** Ends what still runs, each in its own way, then removes what it kept. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true
    for (const child of this.#running) child.kill('SIGTERM')
    await Promise.all([...this.#running].map((child) => child.exited))
    const { stdout } = Bun.spawnSync([
      executable,
      '--run-dir',
      this.runDir,
      '--state-dir',
      this.stateDir,
      'ps',
      '--format',
      'json',
    ])
    for (const { id } of JSON.parse(stdout.toString() || '[]') as { id: string }[])
      await this.measure(['rm', '-f', id])
    rmSync(this.runDir, { recursive: true, force: true })
    rmSync(this.stateDir, { recursive: true, force: true })
  }
}

/** What a reader must know to judge the figures. */
export function machineFacts() {
  const [load = '0'] = readFileSync('/proc/loadavg', 'utf8').split(' ')
  return {
    date: new Date().toISOString().slice(0, 16),
    cpus: cpus().length,
    cpuModel: cpus()[0]?.model ?? 'unknown',
    memoryMiB: Math.round(totalmem() / 1024 / 1024),
    kernel: release(),
    loadAtStart: Number(load),
  }
}
