/** A disk of the machine in the words of Kata's agent protocol. */
import type { HypervisorConfig } from '../../config/config.ts'
import type { DiskAddress } from '../../vmm/machine/disk.ts'

/** Where the agent mounts disks; Kata's directory. */
export const guestStorage = '/run/kata-containers/sandbox/storage'

/** Mount options that speak of the mount or of the host, and not of the file system. */
const mountWords = /^(r?bind|r?(private|shared|slave|unbindable)|io\.katacontainers\..*|loop(=.*)?)$/

/** A label of the host's SELinux: where that is on, containerd adds one to each mount of a root file system. A kernel without it knows no such option. */
const hostLabel = /^(fs|def|root)?context=/

export const isHostLabel = (option: string): boolean => hostLabel.test(option)

/** Those of a mount's options that the guest's kernel gets. */
export const fileSystemOptions = (options: readonly string[]): string[] =>
  options.filter((word) => !mountWords.test(word) && !isHostLabel(word))

/** `source` of a Storage, `id` of a Device. */
export function placeOf(address: DiskAddress): string {
  switch (address.driver) {
    case 'blk':
      return address.pciPath
    case 'scsi':
      return address.address
    case 'mmioblk':
      return address.node
  }
}

/** Whether disks of the host are read and written past its page cache. */
export const isDirect = ({
  blockDeviceCacheSet,
  blockDeviceCacheDirect,
}: Pick<HypervisorConfig, 'blockDeviceCacheSet' | 'blockDeviceCacheDirect'>): boolean =>
  blockDeviceCacheSet && blockDeviceCacheDirect
