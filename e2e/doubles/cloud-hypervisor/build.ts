/**
 * Builds the double of Cloud Hypervisor: linked dynamically so that the loader's directory is part of its jail, with the
 * installed QEMU and its firmware inside.
 */
import { realpathSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { BuildOptions, Built } from '../../../src/guest-image/compile.ts'
import { firmwareDirs } from '../../../src/vmm/qemu/program.ts'
import { buildVmmDouble } from '../common/build.ts'

const firmware = ['bios-256k.bin', 'kvmvapic.bin', 'linuxboot_dma.bin', 'pvh.bin']

/** Makes sure that `outDir/cloud-hypervisor-double` is that of the present sources and of the installed QEMU. */
export function buildDouble(options: BuildOptions): Promise<Built> {
  const recipe = { name: 'cloud-hypervisor-double', directory: 'cloud-hypervisor', isStatic: false, embed }
  return buildVmmDouble(recipe, options)
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

if (import.meta.main) console.log((await buildDouble({ outDir: process.argv[2] ?? 'build' })).path)
