/** What the bundle carries of Debian's packages. */

/** Programs that the executable or a tool of its chains starts, by package; paths in the package, without `usr/`. */
export const programs: Readonly<Record<string, readonly string[]>> = {
  'qemu-system-x86': ['bin/qemu-system-x86_64'],
  virtiofsd: ['libexec/virtiofsd'],
  swtpm: ['bin/swtpm'],
  skopeo: ['bin/skopeo'],
  passt: ['bin/passt', 'bin/pasta', 'bin/passt.avx2', 'bin/pasta.avx2'],
  nftables: ['sbin/nft'],
  iproute2: ['bin/ip'],
  'util-linux': [
    ...['bin/setpriv', 'bin/unshare', 'bin/nsenter', 'bin/prlimit', 'bin/taskset'],
    'sbin/pivot_root',
  ],
  mount: ['bin/mount', 'bin/umount'],
  bash: ['bin/bash'],
  dash: ['bin/dash', 'bin/sh'],
  coreutils: ['cat', 'chmod', 'chown', 'du', 'env', 'mknod', 'readlink', 'sha256sum', 'sleep', 'sync'].map(
    (name) => `bin/${name}`,
  ),
  tar: ['bin/tar'],
  gzip: ['bin/gzip'],
  zstd: ['bin/zstd'],
  'libc-bin': ['bin/getent'],
  passwd: ['sbin/useradd', 'sbin/userdel', 'sbin/groupadd', 'sbin/groupdel'],
  e2fsprogs: ['sbin/mke2fs', 'sbin/mkfs.ext4'],
  'erofs-utils': ['bin/mkfs.erofs', 'bin/fsck.erofs'],
}

/** Libraries that no file names: glibc loads this one when a thread is cancelled. */
export const loadedLater = ['libgcc_s.so.1']

/** Firmware and option ROMs of the one machine type that we have, below `usr/share`. */
export const firmware: Readonly<Record<string, readonly string[]>> = {
  'qemu-system-data': ['qemu/kvmvapic.bin', 'qemu/linuxboot.bin', 'qemu/linuxboot_dma.bin', 'qemu/pvh.bin'],
  seabios: ['seabios/bios-256k.bin', 'seabios/vgabios-stdvga.bin', 'seabios/vgabios-virtio.bin'],
}

/** It has the licence of qemu-system-x86. */
export const licencePackage = 'qemu-system-common'

/** The certificates of the authorities that sign registries. */
export const certificatePackage = 'ca-certificates'
