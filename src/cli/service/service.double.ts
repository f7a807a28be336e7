/** A service with a double of the shim, and its users, for tests. Needs root. */
import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { eventually } from '../client/client.double.ts'

/** A group of every Debian. */
const group = { name: 'games', gid: 60 }

export interface TestUser {
  readonly uid: number
  /** Another primary group than a member's. */
  readonly isMember?: boolean
}

export interface SpawnOptions {
  /** A descriptor of ours is one that the user has opened. */
  readonly stdin?: Blob | number | 'ignore'
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

export interface Outcome {
  readonly stdout: string
  readonly stderr: string
  readonly code: number
}

export class TestService implements AsyncDisposable {
  readonly base = mkdtempSync(`${tmpdir()}/service-`)
  #service = this.#start()

  get pid(): number {
    return this.#service.pid
  }

  get socket(): string {
    return `${this.base}/run/service.sock`
  }

  #start() {
    chmodSync(this.base, 0o711)
    const log = openSync(this.#log, 'a')
    try {
      return this.asRoot(['service', '--group', group.name, '--commands', '6'], log)
    } finally {
      closeSync(log)
    }
  }

  get #log(): string {
    return `${this.base}/service.log`
  }

  /** What the service has logged so far. */
  log(): string {
    return readFileSync(this.#log, 'utf8')
  }

  async listens(): Promise<this> {
    await eventually(() => existsSync(this.socket))
    return this
  }

  asRoot(args: readonly string[], stderr: number | 'pipe' = 'pipe') {
    return Bun.spawn(this.words(args), { stdio: ['ignore', 'pipe', stderr] })
  }

  words(args: readonly string[]): string[] {
    return [process.execPath, `${import.meta.dir}/../client/client.host.ts`, this.base, ...args]
  }

  /** What becomes a user, in front of a command. */
  as({ uid, isMember = true }: TestUser): string[] {
    const groups = isMember ? [`--groups=${group.gid}`] : ['--clear-groups']
    return ['/usr/bin/setpriv', `--reuid=${uid}`, `--regid=${uid}`, ...groups, '--']
  }

  spawn(user: TestUser, args: readonly string[], { stdin = 'ignore', cwd, env = {} }: SpawnOptions = {}) {
    return Bun.spawn([...this.as(user), ...this.words(args)], {
      stdio: [stdin, 'pipe', 'pipe'],
      cwd: cwd ?? '/',
      env: { PATH: process.env.PATH ?? '', ...env },
    })
  }

  async run(user: TestUser, args: readonly string[], options?: SpawnOptions): Promise<Outcome> {
    return outcomeOf(this.spawn(user, args, options))
  }

  async root(...args: string[]): Promise<Outcome> {
    return outcomeOf(this.asRoot(args) as ReturnType<TestService['spawn']>)
  }

  /** The next one has taken the socket over when it answers. */
  async restart(signal: NodeJS.Signals): Promise<void> {
    this.#service.kill(signal)
    await this.#service.exited
    this.#service = this.#start()
    await eventually(async () => (await this.run({ uid: 1 }, ['ps'])).code === 0)
  }

  async [Symbol.asyncDispose]() {
    const { stdout } = await this.root('ps', '--all-namespaces', '--format', 'json')
    for (const { id, namespace } of JSON.parse(stdout))
      await this.root('rm', '--force', '--namespace', namespace, id)
    this.#service.kill('SIGTERM')
    await this.#service.exited
    rmSync(this.base, { recursive: true })
  }
}

async function outcomeOf(child: ReturnType<TestService['spawn']>): Promise<Outcome> {
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return { stdout, stderr, code }
}
