/**
 * Builds the guest agent: TypeScript, bundled by Bun, compiled to C by qjsc and linked with QuickJS and native/*.c
 * into one static executable.
 *
 * Needs the Debian packages gcc, libc6-dev, quickjs and libquickjs.
 */
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BunPlugin } from 'bun'
import { KataError } from '../../src/errors.ts'
import { type BuildOptions, type Built, ensureBuilt, runCompiler } from '../../src/guest-image/compile.ts'

const here = import.meta.dir
/** What the executable is made of, from the repository's root; packages are named by package-lock.json. */
export const agentInputs = [
  'guest/agent/src',
  'guest/agent/native',
  'guest/agent/build.ts',
  'src/ttrpc',
  'src/protobuf',
  'src/netlink',
  'src/protocol/generated',
  'src/protocol/seccomp-filter.ts',
  'package-lock.json',
]
export const agentCompilers = [
  ['qjsc', '-h'],
  ['gcc', '--version'],
]
const quickjsHeaders = '/usr/include/quickjs'

/**
 * Makes sure that `outDir/kata-agent` is the agent of the present sources.
 *
 * @throws KataError GUEST_BUILD_TOOL (a compiler is missing), GUEST_BUILD_FAILED (with what it printed).
 */
export function buildAgent(options: BuildOptions): Promise<Built> {
  const make = (work: string) => compileAgent(work, options.signal)
  return ensureBuilt({ name: 'kata-agent', inputs: agentInputs, compilers: agentCompilers, make }, options)
}

/** What a test changes of the agent. */
export interface AgentVariant {
  /** In the place of `main.ts`. */
  readonly entry?: string
  /** More words for the linker. */
  readonly link?: readonly string[]
}

/** Leaves `kata-agent` in `work`. A plugin may put another module in the place of one of the agent's. */
export async function compileAgent(
  work: string,
  signal: AbortSignal | undefined,
  plugins: BunPlugin[] = [],
  { entry = join(here, 'src/main.ts'), link = [] }: AgentVariant = {},
): Promise<void> {
  await bundle(work, entry, plugins)
  await compile(work, signal, link)
}

async function bundle(work: string, entry: string, plugins: BunPlugin[]): Promise<void> {
  const { outputs, logs, success } = await Bun.build({
    entrypoints: [entry],
    format: 'esm',
    // Leaves `os` alone, for which the browser target has a polyfill. (`sys` would become node's `util`.)
    target: 'bun',
    external: ['syscalls', 'os', 'std'],
    minify: { whitespace: true, syntax: true, identifiers: false },
    plugins,
    throw: false,
  })
  if (!success) throw new KataError('GUEST_BUILD_FAILED', { step: 'bundle', output: logs.join('; ') })
  writeFileSync(join(work, 'agent.js'), await outputs[0]!.text())
}

const gcc = ['gcc', '-O2', `-I${quickjsHeaders}`]

/** Commands run in the work directory and see relative names only, so that no path gets into the executable. */
async function compile(
  work: string,
  signal: AbortSignal | undefined,
  more: readonly string[],
): Promise<void> {
  const run = (...argv: string[]) => runCompiler(argv, work, signal)
  await run('qjsc', '-e', '-m', '-s', '-M', 'syscalls,syscalls', '-o', 'agent.c', 'agent.js')
  const native = await compileNative(work, signal)
  await run(...gcc, '-c', '-o', 'agent.o', 'agent.c')
  const libraries = ['-l:quickjs/libquickjs.a', '-lm', '-ldl', '-lpthread']
  const link = ['gcc', '-static', '-s', '-Wl,--build-id=none']
  await run(...link, '-o', 'kata-agent', 'agent.o', ...native, ...more, ...libraries)
}

/**
 * The module `syscalls`, compiled in `work/native`: the objects, as they are called from `work`. They are no archive, of which the linker would
 * take only what others name: module-requests.c runs by itself.
 */
export async function compileNative(work: string, signal: AbortSignal | undefined): Promise<string[]> {
  const [from, to] = [join(here, 'native'), join(work, 'native')]
  mkdirSync(to)
  const names = readdirSync(from).filter((name) => /\.[ch]$/.test(name))
  for (const name of names) copyFileSync(join(from, name), join(to, name))
  // The same order everywhere gives the same bytes.
  const sources = names.filter((name) => name.endsWith('.c')).sort()
  const warnings = ['-Wall', '-Wextra', '-Wno-unused-parameter', '-Wno-cast-function-type']
  await runCompiler([...gcc, ...warnings, '-c', ...sources], to, signal)
  return sources.map((name) => `native/${name.slice(0, -'.c'.length)}.o`)
}
