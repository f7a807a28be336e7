/** Builds the double of Firecracker: static, as the real one is, for a jail that has no library. */
import type { BuildOptions, Built } from '../../../src/guest-image/compile.ts'
import { buildVmmDouble } from '../common/build.ts'

/** Makes sure that `outDir/firecracker-double` is that of the present sources. */
export function buildFirecrackerDouble(options: BuildOptions): Promise<Built> {
  return buildVmmDouble({ name: 'firecracker-double', directory: 'firecracker', isStatic: true }, options)
}

if (import.meta.main) console.log((await buildFirecrackerDouble({ outDir: process.argv[2] ?? 'build' })).path)
