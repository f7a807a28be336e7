/** The QEMU program: what is needed of it, and where its firmware is. */
import { existsSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import type { ProgramNeeds } from '../program.ts'

export const qemuNeeds: ProgramNeeds = {
  name: 'QEMU',
  install: 'qemu-system-x86',
  // First with the machine switches and CPU flags that command-line.ts names.
  minimum: { major: 8, minor: 0, micro: 0 },
}

/** Firmware and option ROMs of a QEMU installed below some prefix, as distributions lay them out. */
export function firmwareDirs(program: string): string[] {
  const prefix = dirname(dirname(realpathSync(program)))
  return ['qemu', 'seabios'].map((name) => `${prefix}/share/${name}`).filter((path) => existsSync(path))
}
