/** Mounts an overlay of layers that are mounted already, like Kata's driver of this name. */
import { mount } from 'syscalls'
import type { Storage } from '../../../../src/protocol/generated/agent.ts'
import { loadModuleNamed } from '../devices/modules.ts'
import { invalid } from '../errors.ts'
import { errnoName, makeDirectories } from '../system/files.ts'
import { splitMountOptions } from './mount-options.ts'

export const overlayDriver = 'overlayfs'

/**
 * Mounts the layers named by the options `lowerdir`, `upperdir` and `workdir`. The last two are made if missing.
 *
 * @throws TtrpcError INVALID_ARGUMENT with the errno.
 */
export function mountOverlay({ options, mountPoint }: Storage): { mountPoint: string; isOverlay: true } {
  const { flags, data, settings } = splitMountOptions(options)
  makeDirectories(mountPoint)
  for (const name of ['upperdir', 'workdir']) {
    const path = settings.get(name)
    if (path !== undefined) makeDirectories(path)
  }
  const attempt = () => mount('overlay', mountPoint, 'overlay', flags, data)
  try {
    try {
      attempt()
    } catch (error) {
      if (errnoName(error) !== 'ENODEV') throw error
      loadModuleNamed('overlay')
      attempt()
    }
  } catch (cause) {
    throw invalid(
      `the layers of ${mountPoint} cannot be mounted: ${errnoName(cause) ?? String(cause)}`,
      cause,
    )
  }
  return { mountPoint, isOverlay: true }
}
