/** The machine that is measured, and the runtime driven as a person drives it, in directories of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { executable } from '../e2e/harness/executable.ts'
import { readSandboxFacts, type StartedFacts } from '../setup/demo/sandbox-facts.ts'
import type { BareGuest } from './bare.ts'
import { type Measured, type MeasureOptions, measureCommand } from './command.ts'
import { shippedWith } from './configuration.ts'
import type { Machine } from './records/record.ts'

export class Host implements AsyncDisposable {
  readonly runDir = mkdtempSync('/run/kt-b-')
  readonly stateDir = mkdtempSync('/var/lib/kata-ts-bench-')
  /** What we ship. The host's own configuration may ask for other starts than a record tells of, such as clones. */
  readonly configuration = `${this.stateDir}/shipped.toml`
  readonly #running = new Set<Bun.Subprocess>()
  readonly #interruption = new AbortController()

  constructor() {
    writeFileSync(this.configuration, shippedWith({}))
  }

  /** Runs `kata-ts ARGS` to its end. */
  async measure(args: readonly string[], options: MeasureOptions = {}): Promise<Measured> {
    if (args[0] !== 'rm') this.interrupted.throwIfAborted()
    let child: Bun.Subprocess | undefined
    const onSpawn = (spawned: Bun.Subprocess) => {
      child = spawned
      this.#running.add(spawned)
    }
    try {
      return await measureCommand(this.command(args), { ...options, onSpawn })
    } finally {
      if (child !== undefined) this.#running.delete(child)
    }
  }

  /** As {@link measure}, but a failure is an error. */
  async must(args: readonly string[], options?: MeasureOptions): Promise<Measured> {
    const measured = await this.measure(args, options)
    if (measured.code !== 0)
      throw new Error(`kata-ts ${args.join(' ')}: exit code ${measured.code}: ${measured.stderr.trim()}`)
    return measured
  }

  /** Whether the run was interrupted, and nothing more may start. */
  get interrupted(): AbortSignal {
    return this.#interruption.signal
  }

  /** Ends what runs, each in its own way. */
  interrupt(): void {
    this.#interruption.abort(new Error('the benchmark was interrupted'))
    for (const child of this.#running) child.kill('SIGTERM')
  }

  /** The whole command line of `kata-ts ARGS`. */
  command(args: readonly string[]): string[] {
    const dirs = ['--run-dir', this.runDir, '--state-dir', this.stateDir]
    return [executable, ...dirs, ...withDefaults(args, this.configuration)]
  }

  facts(name: string): StartedFacts {
    return readSandboxFacts(this.runDir, name)
  }

  /** A running sandbox that does nothing; removed with the host if not before. */
  async startIdle(name: string, options: readonly string[] = []): Promise<void> {
    await this.must(['run', '-d', ...options, '--name', name, '--', 'sleep', '3600'])
  }

  /** Removes every sandbox, which a benchmark that failed may have left. */
  async removeAll(): Promise<void> {
    const { stdout } = Bun.spawnSync(this.command(['ps', '--format', 'json']))
    for (const { id } of JSON.parse(stdout.toString() || '[]') as { id: string }[])
      await this.measure(['rm', '-f', id])
  }

  /** Ends what still runs, each in its own way, then removes what it kept. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.interrupt()
    await Promise.all([...this.#running].map((child) => child.exited))
    await this.removeAll()
    rmSync(this.runDir, { recursive: true, force: true })
    rmSync(this.stateDir, { recursive: true, force: true })
  }
}

/** A `run` that names neither has no network, and this configuration. */
export function withDefaults(
  [name = '', ...args]: readonly string[],
  configuration: string,
): readonly string[] {
  if (name !== 'run') return [name, ...args]
  const defaults = Object.entries({ '--network': 'none', '--config': configuration })
  return [name, ...defaults.filter(([flag]) => !args.includes(flag)).flat(), ...args]
}

/** The machine, as a record keeps it. */
export function machineFacts({ accelerator, config: { hypervisor } }: BareGuest): Machine {
  const version = Bun.spawnSync([hypervisor.path, '--version']).stdout.toString()
  return {
    cpuModel: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    memory: `${Math.round(totalmem() / 1024 / 1024)} MiB`,
    kernel: release(),
    qemu: /version (\S+)/.exec(version)?.[1] ?? 'unknown',
    accelerator,
    guest: { vcpus: hypervisor.defaultVcpus, memoryMiB: hypervisor.defaultMemory },
  }
}
