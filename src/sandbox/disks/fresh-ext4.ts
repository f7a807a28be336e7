/** How a guest mounts an ext4 that was made for it. */

/**
 * Its file was empty, so tables of inodes that nobody has used are zero as they are. And the kernel reads maps of free blocks when it needs
 * them: a disk as large as the host's has 24 MiB of them in memory otherwise, and its mount takes half a second under emulation. Linux 5.13.
 */
export const freshExt4: readonly string[] = ['noinit_itable', 'no_prefetch_block_bitmaps']
