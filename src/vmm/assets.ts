/** Which kernel and initrd a machine boots, and whether they are what they should be. */
import { closeSync, openSync, readSync } from 'node:fs'
import type { Config } from '../config/config.ts'
import {
  checkInitrd,
  checkKernel,
  defaultCacheDir,
  requireImage,
  verifyImage,
} from '../config/guest-image.ts'
import { KataError } from '../errors.ts'

export interface GuestAssets {
  /** Absolute paths on the host. */
  readonly kernel: string
  readonly initrd: string
  /**
   * Compares what was built by `kata-ts image build` with its recorded SHA-256; configured files, of which no sum is
   * known, were checked for their format already. Takes some 40 ms in a child: let it run beside other start work,
   * and wait for it before guest code runs.
   *
   * @throws KataError IMAGE_CHECKSUM_MISMATCH, IMAGE_FILE_MISSING, IMAGE_TOOL_FAILED.
   */
  verify(signal?: AbortSignal): Promise<void>
}

/**
 * `kernel` and `initrd` of the configuration each replace what the built image has.
 *
 * @throws KataError IMAGE_MISSING, IMAGE_MANIFEST_CORRUPT, IMAGE_FILE_MISSING, IMAGE_KERNEL_FORMAT,
 *   IMAGE_INITRD_FORMAT, VMM_DISK_IMAGE_UNSUPPORTED.
 */
export function resolveAssets(
  config: Pick<Config, 'hypervisor'>,
  cacheDir: string = defaultCacheDir,
): GuestAssets {
  const { kernel, initrd, image } = config.hypervisor
  if (image !== '') throw new KataError('VMM_DISK_IMAGE_UNSUPPORTED', { path: image })
  if (kernel !== '' && !isBzImage(kernel)) checkKernel(kernel)
  if (initrd !== '') checkInitrd(initrd)
  if (kernel !== '' && initrd !== '') return { kernel, initrd, verify: async () => {} }
  const built = requireImage(cacheDir)
  return {
    kernel: kernel || built.kernel,
    initrd: initrd || built.initrd,
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
