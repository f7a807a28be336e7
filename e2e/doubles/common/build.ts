/**
 * Builds a double of a VMM: TypeScript on QuickJS as the guest agent, linked with common/native/double.c and the double's
 * own native/qemu.c, with what that includes.
 *
 * Needs the packages of the guest agent's build, and QEMU.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { compileNative } from '../../../guest/agent/build.ts'
import { type BuildOptions, type Built, ensureBuilt, runCompiler } from '../../../src/guest-image/compile.ts'
import { findTool } from '../../../src/linux/processes/which.ts'

export interface DoubleRecipe {
  /** The name of the executable. */
  readonly name: string
  /** The double's directory below e2e/doubles. */
  readonly directory: string
  /** Needs no library at run time. */
  readonly isStatic: boolean
  /** Lays out what native/qemu.c embeds. */
  readonly embed?: (work: string, qemu: string) => void
}

/** Makes sure that `outDir/NAME` is that of the present sources and of the installed QEMU. */
export function buildVmmDouble(recipe: DoubleRecipe, options: BuildOptions): Promise<Built> {
  const { name, directory, isStatic, embed = () => {} } = recipe
  const qemu = findTool('qemu-system-x86_64')
  if (qemu === undefined) throw new Error('the double needs qemu-system-x86_64')
  const compilers = [
    ['qjsc', '-h'],
    ['gcc', '--version'],
    [qemu, '--version'],
  ]
  const ours = [`e2e/doubles/${directory}`, 'e2e/doubles/common']
  const agents = ['guest/agent/src', 'guest/agent/native', 'guest/agent/build.ts']
  const inputs = [...ours, ...agents, 'package-lock.json']
  const make = async (work: string) => {
    const own = join(import.meta.dir, '..', directory)
    await bundle(join(own, 'src/main.ts'), work)
    embed(work, qemu)
    const ownSources = readdirSync(join(own, 'native')).map((name) => join(own, 'native', name))
    for (const source of [join(import.meta.dir, 'native/double.c'), ...ownSources])
      writeFileSync(join(work, basename(source)), readFileSync(source))
    const calls = await compileNative(work, options.signal)
    await compile({ name, isStatic, calls }, (...argv) => runCompiler(argv, work, options.signal))
  }
  return ensureBuilt({ name, inputs, compilers, make }, options)
}

async function bundle(entry: string, work: string): Promise<void> {
  const { outputs, logs, success } = await Bun.build({
    entrypoints: [entry],
    format: 'esm',
    target: 'bun',
    external: ['syscalls', 'double', 'os', 'std'],
    throw: false,
  })
  if (!success) throw new Error(`bundle: ${logs.join('; ')}`)
  writeFileSync(join(work, 'double.js'), await outputs[0]!.text())
}

async function compile(
  { name, isStatic, calls }: Pick<DoubleRecipe, 'name' | 'isStatic'> & { calls: readonly string[] },
  run: (...argv: string[]) => Promise<string>,
): Promise<void> {
  const gcc = ['gcc', '-O2', '-I/usr/include/quickjs', '-c']
  const warnings = [
    '-Wall',
    '-Wextra',
    '-Wno-unused-parameter',
    '-Wno-cast-function-type',
    '-Wno-sign-compare',
  ]
  const modules = ['-M', 'syscalls,syscalls', '-M', 'double,double']
  await run('qjsc', '-e', '-m', '-s', ...modules, '-o', 'script.c', 'double.js')
  await run(...gcc, ...warnings, '-o', 'double.o', 'double.c')
  await run(...gcc, '-Dmain=run_script', '-o', 'script.o', 'script.c')
  const link = ['gcc', '-s', ...(isStatic ? ['-static'] : []), '-o', name]
  const libraries = ['-l:quickjs/libquickjs.a', '-lm', '-ldl', '-lpthread']
  await run(...link, 'script.o', 'double.o', ...calls, ...libraries)
}
