/**
 * Keeps the logs of what tests start, for those that fail. A sandbox that ends takes its logs with it; so each log gets a
 * second name (a hard link) as soon as it is there, on its own file system, in a directory that the runner
 * (setup/gate/e2e-run.ts) reads when the tests have ended.
 */
import { appendFileSync, linkSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'

/** Names the file in which the runner finds the directories with the links, one a line. Unset: nothing is kept. */
export const logsVariable = 'KATA_TS_E2E_LOGS'

const intervalMs = 200
/** The most logs of one test file: a test that starts sandboxes by the hundred must not fill /run. */
const maxLogs = 200

/** The logs of a sandbox, below a run directory. */
const sandboxLogs = '*/*/{console,vmm,virtiofsd}.log'
/** Logs below a directory of a test: of a sandbox, of a container of the command line, and of a containerd. */
const patterns = [
  sandboxLogs,
  'containers/*/*/{monitor,output}.log',
  'containers/*/*/bundle/shim.log',
  '{log,*.log}',
]

interface Watched {
  readonly directory: string
  /** Only logs that were made since this time, in milliseconds since 1970. */
  readonly since: number
  readonly patterns: readonly string[]
}

/** Sandboxes of a containerd or Docker have the default run directory. Others on this host may have theirs there too. */
const shared: Watched = { directory: '/run/kata-ts', since: Date.now(), patterns: [sandboxLogs] }

export class LogKeeper {
  readonly #note: string
  readonly #makeDirectory: (prefix: string) => string
  readonly #watched: Watched[] = [shared]
  /** Directories for links by the directory that they stand in, which is on the same file system as the logs. */
  readonly #places = new Map<string, string>()
  readonly #kept = new Set<string>()
  /** How many logs each test file has. */
  readonly #counts = new Map<string, number>()

  /** @param makeDirectory mkdtemp(3), which also notes the directory for the case that this run is killed. */
  constructor(note: string, makeDirectory: (prefix: string) => string) {
    this.#note = note
    this.#makeDirectory = makeDirectory
    setInterval(() => this.look(), intervalMs).unref()
  }

  watch(directory: string): void {
    this.#watched.push({ directory, since: 0, patterns })
  }

  /** Links the logs that are new. */
  look(): void {
    for (const { directory, since, patterns } of this.#watched)
      for (const path of patterns.flatMap((pattern) => matches(directory, pattern)))
        this.#keep(directory, path, since)
  }

  #keep(directory: string, path: string, since: number): void {
    try {
      const { ino, dev, birthtimeMs } = statSync(join(directory, path))
      const key = `${dev}:${ino}`
      const file = testFile()
      const count = this.#counts.get(file) ?? 0
      if (birthtimeMs < since || this.#kept.has(key) || count >= maxLogs) return
      this.#kept.add(key)
      this.#counts.set(file, count + 1)
      const place = join(this.#place(dirname(directory)), file, basename(directory), dirname(path))
      mkdirSync(place, { recursive: true, mode: 0o700 })
      linkSync(join(directory, path), join(place, freeName(basename(path), readdirSync(place))))
    } catch {
      // It has gone meanwhile, or is on a file system of its own, where no link leads. No test fails for that.
    }
  }

  #place(parent: string): string {
    const known = this.#places.get(parent)
    if (known !== undefined) return known
    const made = this.#makeDirectory(join(parent, 'kata-ts-e2e-logs-'))
    appendFileSync(this.#note, `${made}\n`)
    this.#places.set(parent, made)
    return made
  }
}

function matches(directory: string, pattern: string): string[] {
  try {
    return [...new Bun.Glob(pattern).scanSync({ cwd: directory })]
  } catch {
    return []
  }
}

/** A log that was put aside and begun anew has the same name as the one before. */
function freeName(name: string, taken: readonly string[]): string {
  const wanted = name === 'log' ? 'containerd.log' : name
  for (let count = 1; ; count++) {
    const free = count === 1 ? wanted : `${count}-${wanted}`
    if (!taken.includes(free)) return free
  }
}

/** The file that runs now, below e2e/ and without `.test.ts`. */
const testFile = (): string =>
  relative(resolve(import.meta.dir, '..'), Bun.main)
    .replace(/\.test\.ts$/, '')
    .replaceAll('../', '')
