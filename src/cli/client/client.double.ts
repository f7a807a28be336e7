/** The command line with a double of the shim, in a directory of its own, for tests. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'

export interface TestClient extends AsyncDisposable {
  /** A directory for everything; it serves as a root file system, too. */
  readonly base: string
  spawn(args: readonly string[], stdin?: Blob | 'ignore'): ReturnType<typeof spawnHost>
  /** Runs one command to its end. */
  kata(...args: string[]): Promise<{ stdout: string; stderr: string; code: number }>
  /** `run -d --name NAME COMMAND...`, with options before the command. @throws Error when it fails. */
  start(name: string, command: readonly string[], options?: readonly string[]): Promise<void>
  list(): Promise<{ id: string; status: string; exitCode: number | null; shimPid: number | null }[]>
  /** Present records and sockets. */
  leftovers(): string[]
}

export function testClient(): TestClient {
  const base = mkdtempSync(`${tmpdir()}/client-`)
  const kata = async (...args: string[]) => {
    const child = spawnHost(base, args)
    const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
    return { stdout, stderr, code }
  }
  const list = async () => JSON.parse((await kata('ps', '--format', 'json')).stdout)
  return {
    base,
    kata,
    list,
    spawn: (args, stdin) => spawnHost(base, args, stdin),
    async start(name, command, options = []) {
      const { code, stderr } = await kata(
        ...['run', '-d', '--name', name, '--rootfs', base, ...options, '--', ...command],
      )
      if (code !== 0) throw new Error(stderr)
    },
    leftovers: () =>
      ['state/containers/default', 'run'].flatMap((name) =>
        existsSync(`${base}/${name}`) ? readdirSync(`${base}/${name}`) : [],
      ),
    async [Symbol.asyncDispose]() {
      for (const { id } of await list()) await kata('rm', '--force', id)
      rmSync(base, { recursive: true })
    },
  }
}

function spawnHost(base: string, args: readonly string[], stdin: Blob | 'ignore' = 'ignore') {
  return Bun.spawn([process.execPath, `${import.meta.dir}/client.host.ts`, base, ...args], {
    stdio: [stdin, 'pipe', 'pipe'],
  })
}

/** Most time to wait, on the clock. One look may be a whole command, or a file while other commands are compiled. */
const patienceMs = 40_000

/** Repeats `check` until it returns a value. @throws Error if it never does. */
export async function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  const end = performance.now() + patienceMs
  for (;;) {
    const value = await check()
    if (value) return value
    if (performance.now() > end) throw new Error('waited in vain')
    await Bun.sleep(10)
  }
}
