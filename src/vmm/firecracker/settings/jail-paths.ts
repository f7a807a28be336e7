/** Where Firecracker finds things in its jail. */
export const inJail = {
  kernel: '/vmlinux',
  initrd: '/initrd',
  /** The pipe for its log. */
  log: '/log',
  /** A file system of its own, which only root can write: what becomes the guest's disks. */
  drives: '/drives',
  /** Made by Firecracker. */
  api: '/run/api.sock',
  vsock: '/run/vsock.sock',
} as const
