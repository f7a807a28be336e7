/**
 * Builds the double: TypeScript on QuickJS as the guest agent, linked dynamically so that the loader's directory is
 * part of its jail, with the installed QEMU and its firmware inside.
 *
 * Needs the packages of the guest agent's build, and QEMU.
 */
import { readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type BuildOptions, type Built, ensureBuilt, runCompiler } from '../../../guest/compile.ts'
import { findTool } from '../../../src/linux/which.ts'
import { firmwareDirs } from '../../../src/vmm/qemu/program.ts'

const here = import.meta.dir
const agent = join(here, '../../../guest/agent')
const inputs = ['e2e/doubles/cloud-hypervisor', 'guest/agent/src', 'guest/agent/native', 'package-lock.json']
const firmware = ['bios-256k.bin', 'kvmvapic.bin', 'linuxboot_dma.bin', 'pvh.bin']

/** Makes sure that `outDir/cloud-hypervisor-double` is that of the present sources and of the installed QEMU. */
export function buildDouble(options: BuildOptions): Promise<Built> {
  const qemu = findTool('qemu-system-x86_64')
  if (qemu === undefined) throw new Error('the double needs qemu-system-x86_64')
  const compilers = [
    ['qjsc', '-h'],
    ['gcc', '--version'],
    [qemu, '--version'],
  ]
  const make = async (work: string) => {
    await bundle(work)
    embed(work, qemu)
    await compile(work, options.signal)
  }
  return ensureBuilt({ name: 'cloud-hypervisor-double', inputs, compilers, make }, options)
}

async function bundle(work: string): Promise<void> {
  const { outputs, logs, success } = await Bun.build({
    entrypoints: [join(here, 'src/main.ts')],
    format: 'esm',
    target: 'bun',
    external: ['syscalls', 'double', 'os', 'std'],
    throw: false,
  })
  if (!success) throw new Error(`bundle: ${logs.join('; ')}`)
  writeFileSync(join(work, 'double.js'), await outputs[0]!.text())
}

function embed(work: string, qemu: string): void {
  symlinkSync(realpathSync(qemu), join(work, 'qemu'))
  const directories = firmwareDirs(qemu)
  for (const name of firmware) {
    const found = directories
      .map((directory) => join(directory, name))
      .find((path) => Bun.file(path).size > 0)
    if (found === undefined) throw new Error(`no ${name} in ${directories.join(', ')}`)
    symlinkSync(realpathSync(found), join(work, name))
  }
}

async function compile(work: string, signal: AbortSignal | undefined): Promise<void> {
  for (const source of [join(agent, 'native/syscalls.c'), join(here, 'native/double.c')])
    writeFileSync(join(work, source.slice(dirname(source).length + 1)), readFileSync(source))
  const run = (...argv: string[]) => runCompiler(argv, work, signal)
  const gcc = ['gcc', '-O2', '-I/usr/include/quickjs', '-c']
  const warnings = [
    '-Wall',
    '-Wextra',
    '-Wno-unused-parameter',
    '-Wno-cast-function-type',
    '-Wno-sign-compare',
  ]
  await run(
    'qjsc',
    '-e',
    '-m',
    '-s',
    '-M',
    'syscalls,syscalls',
    '-M',
    'double,double',
    '-o',
    'script.c',
    'double.js',
  )
  await run(...gcc, ...warnings, '-o', 'syscalls.o', 'syscalls.c')
  await run(...gcc, ...warnings, '-o', 'double.o', 'double.c')
  await run(...gcc, '-Dmain=run_script', '-o', 'script.o', 'script.c')
  const objects = ['script.o', 'double.o', 'syscalls.o']
  await run(
    'gcc',
    '-s',
    '-o',
    'cloud-hypervisor-double',
    ...objects,
    '-l:quickjs/libquickjs.a',
    '-lm',
    '-ldl',
    '-lpthread',
  )
}

if (import.meta.main) console.log((await buildDouble({ outDir: process.argv[2] ?? 'build' })).path)
