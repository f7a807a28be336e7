/** Which kernel, initrd and disk image a machine boots, and whether they are what they should be. */
import { closeSync, openSync, readSync } from 'node:fs'
import type { Config } from '../../config/config.ts'
import {
  checkInitrd,
  checkKernel,
  defaultCacheDir,
  requireImage,
  verifyImage,
} from '../../guest-image/guest-image.ts'
import type { RootDisk } from '../vmm.ts'

export interface GuestAssets {
  /** Absolute paths on the host. */
  readonly kernel: string
  /** Absent when a configured kernel boots from the disk by itself. */
  readonly initrd?: string
  readonly rootDisk?: RootDisk
  /**
   * Compares what was built by `kata-ts guest build` with its recorded SHA-256; configured files, of which no sum is
   * known, were checked for their format already. Takes some 40 ms in a child: let it run beside other start work,
   * and wait for it before guest code runs.
   *
   * @throws KataError IMAGE_CHECKSUM_MISMATCH, IMAGE_FILE_MISSING, IMAGE_TOOL_FAILED.
   */
  verify(signal?: AbortSignal): Promise<void>
}

/**
 * `kernel` and `initrd` of the configuration each replace what the built image has. With `image` the built initrd
 * mounts that disk; a kernel of the user's own, whose modules nobody knows, gets no initrd and mounts it itself.
 *
 * @throws KataError IMAGE_MISSING, IMAGE_MANIFEST_CORRUPT, IMAGE_FILE_MISSING, IMAGE_KERNEL_FORMAT,
 *   IMAGE_INITRD_FORMAT.
 */
export function resolveAssets(
  config: Pick<Config, 'hypervisor'>,
  cacheDir: string = defaultCacheDir,
): GuestAssets {
  const { kernel, initrd, image, rootfsType } = config.hypervisor
  const disk = image === '' ? {} : { rootDisk: { image, fsType: rootfsType } }
  if (kernel !== '' && !isBzImage(kernel)) checkKernel(kernel)
  if (initrd !== '') checkInitrd(initrd)
  if (kernel !== '' && image !== '') return { kernel, ...disk, verify: async () => {} }
  if (kernel !== '' && initrd !== '') return { kernel, initrd, verify: async () => {} }
  const built = requireImage(cacheDir)
  return {
    kernel: kernel || built.kernel,
    initrd: initrd || built.initrd,
    ...disk,
    verify: (signal) => verifyImage(built, signal === undefined ? {} : { signal }),
  }
}

/**
 * A compressed kernel with the x86 boot header (Documentation/arch/x86/boot.rst: "HdrS" at 0x202). It boots as well,
 * a second slower under TCG. False for whatever cannot be read: the next check says why.
 */
function isBzImage(path: string): boolean {
  try {
    const fd = openSync(path, 'r')
    try {
      const magic = Buffer.alloc(4)
      return readSync(fd, magic, 0, 4, 0x202) === 4 && magic.toString('latin1') === 'HdrS'
    } finally {
      closeSync(fd)
    }
  } catch {
    return false
  }
}
