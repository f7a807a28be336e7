/** Builds the double of Firecracker's jailer, static as the real one is. Needs gcc and libc6-dev. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BuildOptions, type Built, ensureBuilt, runCompiler } from '../../../src/guest-image/compile.ts'

/** Makes sure that `outDir/jailer-double` is that of the present source. */
export function buildJailerDouble(options: BuildOptions): Promise<Built> {
  const make = async (work: string) => {
    writeFileSync(join(work, 'jailer.c'), readFileSync(join(import.meta.dir, 'jailer.c')))
    const flags = ['-O2', '-Wall', '-Wextra', '-Wno-unused-result', '-Wno-format-truncation', '-static', '-s']
    await runCompiler(['gcc', ...flags, '-o', 'jailer-double', 'jailer.c'], work, options.signal)
  }
  const inputs = ['e2e/doubles/jailer']
  return ensureBuilt({ name: 'jailer-double', inputs, compilers: [['gcc', '--version']], make }, options)
}

if (import.meta.main) console.log((await buildJailerDouble({ outDir: process.argv[2] ?? 'build' })).path)
