/** Builds the guest's libsystemd.so.0; native/libsystemd-stub.c says why it exists. Needs the Debian package gcc. */
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BuildOptions, type Built, ensureBuilt, runCompiler } from './compile.ts'

const name = 'libsystemd-stub.so'
const sources = ['libsystemd-stub.c', 'libsystemd-stub.map']

/**
 * Makes sure that `outDir/libsystemd-stub.so` is the library of the present sources.
 *
 * @throws KataError GUEST_BUILD_TOOL (gcc is missing), GUEST_BUILD_FAILED (with what it printed).
 */
export function buildSystemdStub(options: BuildOptions): Promise<Built> {
  const make = async (work: string) => {
    for (const source of sources) copyFileSync(join(import.meta.dir, 'native', source), join(work, source))
    await runCompiler([...gcc, '-o', name, 'libsystemd-stub.c'], work, options.signal)
  }
  const inputs = ['src/guest-image/native', 'src/guest-image/systemd-stub.ts']
  return ensureBuilt({ name, inputs, compilers: [['gcc', '--version']], make }, options)
}

const gcc = [
  'gcc',
  '-O2',
  '-Wall',
  '-Wextra',
  '-shared',
  // It needs no other library, not even libc.
  '-nostdlib',
  '-s',
  '-Wl,--build-id=none',
  // One mapping instead of three pages of padding between them.
  '-Wl,-z,noseparate-code',
  '-Wl,-soname,libsystemd.so.0',
  '-Wl,--version-script=libsystemd-stub.map',
]
