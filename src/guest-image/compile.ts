/**
 * Programs of the guest that are compiled at set-up: equal inputs give equal bytes, and nothing is done when the inputs
 * have not changed.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { KataError } from '../errors.ts'
import { type Logger, silentLogger } from '../log.ts'

const repository = resolve(import.meta.dir, '../..')
const commandLimitMs = 180_000

export interface BuildOptions {
  /** Gets the result and, as `NAME.inputs`, what it was made of; made if missing. */
  readonly outDir: string
  readonly log?: Logger
  readonly signal?: AbortSignal
}

export interface Built {
  readonly path: string
  /** The checksum of its inputs, and of the compilers. */
  readonly inputsSha256: string
  /** False when it was there already. */
  readonly rebuilt: boolean
}

/** How one file is made. */
export interface Recipe {
  /** The name of the file in `outDir`. */
  readonly name: string
  /** Files and directories from the repository's root, tests left out. */
  readonly inputs: readonly string[]
  /** Commands whose first line of output tells compilers apart. */
  readonly compilers: readonly (readonly string[])[]
  /** Leaves the file in `work`, a fresh directory that is removed afterwards. */
  make(work: string): Promise<void>
}

/**
 * Makes sure that `outDir/NAME` is what the recipe gives with the present inputs.
 *
 * @throws KataError GUEST_BUILD_TOOL, GUEST_BUILD_FAILED, and what `make` throws.
 */
export async function ensureBuilt(recipe: Recipe, options: BuildOptions): Promise<Built> {
  const { name, inputs } = recipe
  const { outDir, log = silentLogger, signal } = options
  const path = join(outDir, name)
  const stamp = `${path}.inputs`
  const compilers: string[] = []
  for (const argv of recipe.compilers)
    compilers.push((await runCompiler(argv, '/', signal)).split('\n')[0] ?? '')
  const inputsSha256 = hashInputs(['src/guest-image/compile.ts', ...inputs], compilers)
  if (
    existsSync(path) &&
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === `${inputsSha256} ${sha256(readFileSync(path))}\n`
  )
    return { path, inputsSha256, rebuilt: false }

  mkdirSync(outDir, { recursive: true })
  const work = mkdtempSync(join(tmpdir(), `${name}-`))
  try {
    await recipe.make(work)
    const bytes = readFileSync(join(work, name))
    // Renamed into place, so that a reader has the old one or the new one.
    const fresh = join(outDir, `.${name}.${process.pid}`)
    writeFileSync(fresh, bytes, { mode: 0o755 })
    renameSync(fresh, path)
    writeFileSync(stamp, `${inputsSha256} ${sha256(bytes)}\n`)
    log.info('guest program built', { path, size: bytes.length })
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return { path, inputsSha256, rebuilt: true }
}

/**
 * Runs a compiler in `cwd` and returns its standard output. Give it relative names only, so that no path gets into what
 * it makes.
 *
 * @throws KataError GUEST_BUILD_TOOL (it is missing), GUEST_BUILD_FAILED (with what it printed).
 */
export async function runCompiler(
  argv: readonly string[],
  cwd: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const [program = ''] = argv
  if (Bun.which(program) === null) throw new KataError('GUEST_BUILD_TOOL', { program })
  const child = Bun.spawn([...argv], {
    cwd,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', SOURCE_DATE_EPOCH: '0' },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: commandLimitMs,
    ...(signal === undefined ? {} : { signal }),
  })
  const [code, output, complaints] = await Promise.all([
    child.exited,
    child.stdout.text(),
    child.stderr.text(),
  ])
  signal?.throwIfAborted()
  // qjsc prints its version with its usage and then fails: only that call looks at the text alone.
  if (code !== 0 && argv[1] !== '-h')
    throw new KataError('GUEST_BUILD_FAILED', { step: argv.slice(0, 2).join(' '), output: complaints.trim() })
  return output
}

function hashInputs(inputs: readonly string[], compilers: readonly string[]): string {
  const hasher = new Bun.CryptoHasher('sha256')
  hasher.update(JSON.stringify([...compilers, Bun.version]))
  const files = inputs.flatMap((input) => {
    const found = filesBelow(join(repository, input))
    // An input that is not found would never count as changed.
    if (found.length === 0) throw new Error(`${input} is no input of a guest program: there is no such file`)
    return found
  })
  for (const file of files) hasher.update(`\n${relative(repository, file)} ${sha256(readFileSync(file))}`)
  return hasher.digest('hex')
}

function filesBelow(path: string): string[] {
  const names = existsSync(path) ? safeList(path) : []
  if (names === undefined) return [path]
  return names.sort().flatMap((name) => (name.endsWith('.test.ts') ? [] : filesBelow(join(path, name))))
}

function safeList(path: string): string[] | undefined {
  try {
    return readdirSync(path)
  } catch {
    return undefined
  }
}

function sha256(data: Uint8Array): string {
  return new Bun.CryptoHasher('sha256').update(data).digest('hex')
}
