/** Builds process 1 of containers that are run with --init (container-init/container-init.c). Needs the Debian package gcc. */
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BuildOptions, type Built, ensureBuilt, runCompiler } from './compile.ts'

const name = 'container-init'
const source = `${name}.c`

/**
 * Makes sure that `outDir/container-init` is the static program of the present source.
 *
 * @throws KataError GUEST_BUILD_TOOL (gcc is missing), GUEST_BUILD_FAILED (with what it printed).
 */
export function buildContainerInit(options: BuildOptions): Promise<Built> {
  const make = async (work: string) => {
    copyFileSync(join(import.meta.dir, name, source), join(work, source))
    await runCompiler([...gcc, '-o', name, source], work, options.signal)
  }
  const inputs = [`src/guest-image/${name}`, 'src/guest-image/container-init.ts']
  return ensureBuilt({ name, inputs, compilers: [['gcc', '--version']], make }, options)
}

// Static: the container has whatever libraries its image has, if any.
const gcc = ['gcc', '-O2', '-Wall', '-Wextra', '-static', '-s', '-Wl,--build-id=none']
