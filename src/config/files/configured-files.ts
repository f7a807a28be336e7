/** The programs and images that a configuration names must be there before anything is taken for a sandbox. */
import { accessSync, constants, type Stats, statSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import type { Config } from '../config.ts'
import { configurationOf } from '../drivers.ts'
import { fileToChange } from './file-to-change.ts'

/**
 * Checks the files that this configuration names: VMM, what starts it, virtiofsd, and kernel, initrd and image if it
 * replaces ours.
 * @throws KataError CONFIG_FILE_MISSING naming key and path, CONFIG_CONFLICT for an initrd that cannot fit into memory
 */
export function requireConfiguredFiles(config: Config): void {
  const { hypervisor } = config
  const source = fileToChange(config)
  requireFile('path', hypervisor.path, source, constants.X_OK)
  for (const { key, path } of configurationOf(hypervisor.driver).starters)
    requireFile(key, path(hypervisor), source, constants.X_OK)
  if (hypervisor.sharedFs === 'virtio-fs')
    requireFile('virtio_fs_daemon', hypervisor.virtioFsDaemon, source, constants.X_OK)
  if (hypervisor.kernel !== '') requireFile('kernel', hypervisor.kernel, source, constants.R_OK)
  if (hypervisor.image !== '') requireFile('image', hypervisor.image, source, constants.R_OK)
  if (hypervisor.initrd === '') return
  const { size } = requireFile('initrd', hypervisor.initrd, source, constants.R_OK)
  if (size > hypervisor.defaultMemory * 1024 ** 2)
    throw new KataError('CONFIG_CONFLICT', {
      where: config.source,
      reason: `initrd ${hypervisor.initrd} (${size} bytes) is bigger than the sandbox's memory (${hypervisor.defaultMemory} MiB)`,
      hint: 'Raise default_memory or use a smaller initrd.',
    })
}

function requireFile(key: string, path: string, source: string, access: number): Stats {
  const missing = (reason: string, cause?: unknown) =>
    new KataError('CONFIG_FILE_MISSING', { key, path, reason, source }, { cause })
  let stat: Stats
  try {
    stat = statSync(path)
    accessSync(path, access)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') throw missing('does not exist', cause)
    throw missing(
      access === constants.X_OK ? `cannot be executed (${code})` : `cannot be read (${code})`,
      cause,
    )
  }
  if (!stat.isFile()) throw missing('is not a file')
  return stat
}
