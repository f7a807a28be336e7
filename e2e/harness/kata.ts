/** Drives the compiled executable as a person would, with a run directory and a state directory of the test's own. */
import { rmSync, writeFileSync } from 'node:fs'
import { defaultDriver } from '../../src/config/drivers.ts'
import { needsConfiguration } from './configuration.ts'
import { isKept, keepLogs, ownDirectory, sayKept } from './directories.ts'
import { executable } from './executable.ts'
import { slow } from './time.ts'
import { shippedConfiguration, type VmmUnderTest, vmm } from './vmm.ts'

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly stdin?: string | Uint8Array | Blob
  /** Environment beyond PATH. */
  readonly env?: Record<string, string>
}

/** Longest any one command of a test may take, in milliseconds: a hang fails the test instead of the whole run. */
const commandDeadlineMs = slow(120_000)

/** What every start says on a host without KVM (e2e/accelerator.test.ts): tests are about what else is on stderr. */
export const emulationWarning = /^kata-ts: warning: this machine runs under TCG emulation, .*\n/m

export interface KataOptions {
  /**
   * `none`, which costs the least, in the place of the network that a container has without an option; `default` in tests that are about
   * networks.
   */
  readonly network?: 'none' | 'default'
}

export class Kata {
  readonly runDir: string
  readonly stateDir: string
  /** For commands that start a sandbox and are given no configuration: none where kata-ts's defaults serve. */
  readonly #flags: readonly string[]
  /** For commands that make a container; what a test says itself comes later, and counts. */
  readonly #network: readonly string[]

  /** For the VMM under test, or another one. */
  constructor(used: VmmUnderTest = vmm, { network = 'none' }: KataOptions = {}) {
    // Short, because socket paths below it are limited.
    this.runDir = ownDirectory('/run/kt-')
    this.stateDir = ownDirectory('/var/lib/kata-ts-e2e-')
    const file = `${this.stateDir}/configuration.toml`
    const needed = used.driver !== defaultDriver || needsConfiguration
    if (needed) writeFileSync(file, shippedConfiguration(used))
    this.#flags = needed ? ['--config', file] : []
    this.#network = network === 'none' ? ['--network', network] : []
  }

  /** Arguments in front of every command. */
  get global(): string[] {
    return ['--run-dir', this.runDir, '--state-dir', this.stateDir]
  }

  /** The whole command line of a command. */
  command([name = '', ...args]: readonly string[]): string[] {
    const flags = name === 'run' && !args.includes('--config') ? this.#flags : []
    const hasOne = args.includes('--network')
    const network = (name === 'run' || name === 'create') && !hasOne ? this.#network : []
    return [executable, ...this.global, name, ...network, ...flags, ...args]
  }

  /** Runs a command to its end. */
  async call(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const child = this.spawn(args, options)
    const timer = setTimeout(() => child.kill('SIGKILL'), commandDeadlineMs)
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ])
    clearTimeout(timer)
    return { code, stdout, stderr: stderr.replace(emulationWarning, '') }
  }

  /** Starts a command whose streams the test drives itself. */
  spawn(args: readonly string[], { stdin, env = {} }: RunOptions = {}) {
    return Bun.spawn(this.command(args), {
      stdin: stdin === undefined ? 'ignore' : new Blob([stdin as string]),
      stdout: 'pipe',
      stderr: 'pipe',
      env: { PATH: process.env.PATH ?? '', ...env },
    })
  }

  /** `kata-ts run --rm` with the embedded root file system. */
  run(
    command: readonly string[],
    options: RunOptions & { flags?: readonly string[] } = {},
  ): Promise<Outcome> {
    return this.call(['run', '--rm', ...(options.flags ?? []), '--', ...command], options)
  }

  /** `kata-ts inspect NAME`. */
  // biome-ignore lint/suspicious/noExplicitAny: the tests look at single fields of a document whose shape they assert
  async inspect(name: string): Promise<any> {
    const { stdout, stderr, code } = await this.call(['inspect', name])
    if (code !== 0) throw new Error(`inspect ${name}: ${stderr}`)
    const document = JSON.parse(stdout)
    return Array.isArray(document) ? document[0] : document
  }

  async isRunning(name: string): Promise<boolean> {
    const entries = JSON.parse((await this.call(['ps', '--format', 'json'])).stdout || '[]') as {
      id: string
      status: string
    }[]
    return entries.some(({ id, status }) => id === name && status === 'running')
  }

  /** Waits until the container runs, or its client has ended before: the words of that say why. */
  async runs(name: string, client: Promise<Outcome>): Promise<void> {
    let ended: Outcome | undefined
    void client.then((outcome) => {
      ended = outcome
    })
    await eventually(`${name} to run`, async () => {
      if (ended !== undefined) throw new Error(`${name} ended with ${ended.code}: ${ended.stderr}`)
      return (await this.isRunning(name)) || undefined
    })
  }

  /** Those that run; of its namespace alone. */
  async removeContainers(): Promise<void> {
    const { stdout } = await this.call(['ps', '--format', 'json'])
    for (const { id } of JSON.parse(stdout || '[]') as { id: string }[]) await this.call(['rm', '-f', id])
  }

  /** Removes what the test kept on purpose (records of containers) and its directories. */
  async close(): Promise<void> {
    if (isKept) return sayKept([executable, ...this.global, 'ps'].join(' '))
    keepLogs()
    await this.removeContainers()
    await this.call(['gc'])
    rmSync(this.runDir, { recursive: true, force: true })
    rmSync(this.stateDir, { recursive: true, force: true })
  }
}

/**
 * Polls until `check` gives a value; a test's way to wait for an effect that has no event. The limit is {@link slow}. `what` may tell at the end
 * what there was instead.
 */
export async function eventually<T>(
  what: string | (() => string),
  check: () => T | undefined | Promise<T | undefined>,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + slow(timeoutMs)
  for (;;) {
    const asked = Date.now()
    const value = await check()
    if (value !== undefined && value !== false) return value
    if (Date.now() > deadline) {
      const awaited = typeof what === 'string' ? what : what()
      throw new Error(`waited ${slow(timeoutMs)} ms in vain for ${awaited}`)
    }
    // A check that starts a program takes the processor from what it waits for.
    await Bun.sleep(Math.min(Math.max(50, 2 * (Date.now() - asked)), 500))
  }
}

/** A scratch directory that goes away with the test. */
export function scratch(prefix = '/var/tmp/kata-ts-e2e-'): { path: string } & Disposable {
  const path = ownDirectory(prefix)
  const remove = () => (isKept ? sayKept(path) : rmSync(path, { recursive: true, force: true }))
  return { path, [Symbol.dispose]: remove }
}
