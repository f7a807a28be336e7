/** Flags of mount(2), from <sys/mount.h>. */
export const mountFlags = {
  readOnly: 1,
  noSuid: 2,
  noDev: 4,
  noExec: 8,
  synchronous: 16,
  remount: 32,
  noAtime: 1024,
  noDirAtime: 2048,
  bind: 4096,
  move: 8192,
  recursive: 16384,
  relAtime: 1 << 21,
} as const
