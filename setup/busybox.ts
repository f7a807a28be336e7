/**
 * The static busybox of the embedded root file system. Debian's package conflicts with the dynamic busybox that most
 * hosts have for their initramfs, so it is unpacked and not installed.
 */
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { KataError } from '../src/errors.ts'
import { aptUpdate } from '../src/guest-image/apt.ts'
import type { ToolContext } from '../src/guest-image/child.ts'
import { neededLibraries } from '../src/guest-image/elf.ts'
import { unpackPackages } from './packages/unpack.ts'

/**
 * Puts it at `path`: the host's own where that is static, Debian's otherwise.
 *
 * @throws KataError IMAGE_PACKAGE_UNKNOWN, IMAGE_PACKAGES_UNREACHABLE, IMAGE_DISK_FULL, IMAGE_TOOL_*.
 */
export async function provideBusybox(path: string, tools: ToolContext): Promise<void> {
  mkdirSync(dirname(path), { recursive: true })
  const installed = Bun.which('busybox', { PATH: tools.env.PATH ?? '' })
  if (installed !== null && isStatic(installed)) {
    copyFileSync(installed, path)
    chmodSync(path, 0o755)
    return
  }
  try {
    await unpackBusybox(path, tools)
  } catch (error) {
    // Lists that are missing or older than the archive are the usual reason; fetch them once.
    const isCurable = ['IMAGE_PACKAGE_UNKNOWN', 'IMAGE_PACKAGES_UNREACHABLE'].some(
      (code) => error instanceof KataError && error.code === code,
    )
    if (!isCurable) throw error
    await aptUpdate(tools)
    await unpackBusybox(path, tools)
  }
}

function isStatic(program: string): boolean {
  return neededLibraries(readFileSync(program)).length === 0
}

async function unpackBusybox(path: string, tools: ToolContext): Promise<void> {
  const scratch = mkdtempSync(`${path}.`)
  const tree = join(scratch, 'tree')
  try {
    await unpackPackages(['busybox-static'], { tree, scratch, tools })
    copyFileSync(join(tree, 'usr/bin/busybox'), path)
    chmodSync(path, 0o755)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
