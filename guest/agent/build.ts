/**
 * Builds the guest agent: TypeScript, bundled by Bun, compiled to C by qjsc and linked with QuickJS and native/syscalls.c
 * into one static executable. Equal inputs give equal bytes, and nothing is done when the inputs have not changed.
 *
 * Needs the Debian packages gcc, libc6-dev, quickjs and libquickjs.
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
import { KataError } from '../../src/errors.ts'
import { type Logger, silentLogger } from '../../src/log.ts'

const here = import.meta.dir
const repository = resolve(here, '../..')
/** What the executable is made of, from the repository's root; packages are named by package-lock.json. */
const inputs = [
  'guest/agent/src',
  'guest/agent/native',
  'guest/agent/build.ts',
  'src/ttrpc',
  'src/protocol/generated',
  'package-lock.json',
]
const quickjsHeaders = '/usr/include/quickjs'
const commandLimitMs = 180_000

export interface BuildAgentOptions {
  /** Gets `kata-agent` and `kata-agent.inputs`; made if missing. */
  readonly outDir: string
  readonly log?: Logger
  readonly signal?: AbortSignal
}

export interface BuiltAgent {
  /** The static executable. */
  readonly path: string
  /** Of its inputs, and of the compilers. */
  readonly inputsSha256: string
  /** False when it was there already. */
  readonly rebuilt: boolean
}

/**
 * Makes sure that `outDir/kata-agent` is the agent of the present sources.
 *
 * @throws KataError AGENT_BUILD_TOOL (a compiler is missing), AGENT_BUILD_FAILED (with what it printed).
 */
export async function buildAgent(options: BuildAgentOptions): Promise<BuiltAgent> {
  const { outDir, log = silentLogger, signal } = options
  const path = join(outDir, 'kata-agent')
  const stamp = join(outDir, 'kata-agent.inputs')
  const compilers = [await firstLine(['qjsc', '-h'], signal), await firstLine(['gcc', '--version'], signal)]
  const inputsSha256 = hashInputs(compilers)
  if (
    existsSync(path) &&
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === `${inputsSha256} ${sha256(readFileSync(path))}\n`
  )
    return { path, inputsSha256, rebuilt: false }

  mkdirSync(outDir, { recursive: true })
  const work = mkdtempSync(join(tmpdir(), 'kata-agent-'))
  try {
    await bundle(work)
    await compile(work, signal)
    const executable = readFileSync(join(work, 'kata-agent'))
    // Renamed into place, so that whoever reads it meanwhile has the old one or the new one.
    const fresh = join(outDir, `.kata-agent.${process.pid}`)
    writeFileSync(fresh, executable, { mode: 0o755 })
    renameSync(fresh, path)
    writeFileSync(stamp, `${inputsSha256} ${sha256(executable)}\n`)
    log.info('guest agent built', { path, size: executable.length })
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return { path, inputsSha256, rebuilt: true }
}

async function bundle(work: string): Promise<void> {
  const { outputs, logs, success } = await Bun.build({
    entrypoints: [join(here, 'src/main.ts')],
    format: 'esm',
    // Leaves `os` alone, for which the browser target has a polyfill. (`sys` would become node's `util`.)
    target: 'bun',
    external: ['syscalls', 'os', 'std'],
    minify: { whitespace: true, syntax: true, identifiers: false },
    throw: false,
  })
  if (!success) throw new KataError('AGENT_BUILD_FAILED', { step: 'bundle', output: logs.join('; ') })
  writeFileSync(join(work, 'agent.js'), await outputs[0]!.text())
}

/** Commands run in the work directory and see relative names only, so that no path gets into the executable. */
async function compile(work: string, signal: AbortSignal | undefined): Promise<void> {
  const native = join(here, 'native/syscalls.c')
  writeFileSync(join(work, 'syscalls.c'), readFileSync(native))
  const gcc = ['gcc', '-O2', `-I${quickjsHeaders}`]
  await run(['qjsc', '-e', '-m', '-s', '-M', 'syscalls,syscalls', '-o', 'agent.c', 'agent.js'], work, signal)
  await run(
    [
      ...gcc,
      '-Wall',
      '-Wextra',
      '-Wno-unused-parameter',
      '-Wno-cast-function-type',
      '-c',
      '-o',
      'syscalls.o',
      'syscalls.c',
    ],
    work,
    signal,
  )
  await run([...gcc, '-c', '-o', 'agent.o', 'agent.c'], work, signal)
  const libraries = ['-l:quickjs/libquickjs.a', '-lm', '-ldl', '-lpthread']
  await run(
    [
      'gcc',
      '-static',
      '-s',
      '-Wl,--build-id=none',
      '-o',
      'kata-agent',
      'agent.o',
      'syscalls.o',
      ...libraries,
    ],
    work,
    signal,
  )
}

async function run(argv: readonly string[], cwd: string, signal: AbortSignal | undefined): Promise<string> {
  const [program = ''] = argv
  if (Bun.which(program) === null) throw new KataError('AGENT_BUILD_TOOL', { program })
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
    throw new KataError('AGENT_BUILD_FAILED', { step: argv.slice(0, 2).join(' '), output: complaints.trim() })
  return output
}

async function firstLine(argv: readonly string[], signal: AbortSignal | undefined): Promise<string> {
  return (await run(argv, '/', signal)).split('\n')[0] ?? ''
}

function hashInputs(compilers: readonly string[]): string {
  const hasher = new Bun.CryptoHasher('sha256')
  hasher.update(JSON.stringify([...compilers, Bun.version]))
  for (const file of inputs.flatMap((input) => filesBelow(join(repository, input))))
    hasher.update(`\n${relative(repository, file)} ${sha256(readFileSync(file))}`)
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
