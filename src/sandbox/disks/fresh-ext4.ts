/** How a guest mounts an ext4 that was made for it. */

/**
 * Its file was empty, so tables of inodes that nobody has used are zero as they are. And the kernel reads maps of free blocks when it needs
 * them: a disk as large as the host's has 24 MiB of them in memory otherwise, and its mount takes half a second under emulation. Linux 5.13.
 */
export const freshExt4: readonly string[] = ['noinit_itable', 'no_prefetch_block_bitmaps']

/**
 * The most that such a disk may have, bytes: what ext4 can be with blocks of 4 KiB and no feature that older kernels lack, but for one block. No file
 * is larger on an ext4 of the host (EFBIG).
 */
export const mostExt4Bytes = 16 * 1024 ** 4 - 4096
