/** Mounts a root file system that containerd described, under a directory of the share. */
import { closeSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { SyscallError } from '../linux/libc.ts'
import { mount } from '../linux/mount.ts'
import { bindTree, mountAttributes } from '../linux/mount-tree.ts'
import { parseMountOptions } from './mount-options.ts'
import { mountOverlay } from './overlay.ts'
import type { RootfsMount } from './share.ts'
import { openSource } from './source.ts'

/** mount(2) copies one page of options, with the final NUL. */
const maxDataBytes = 4095
/** The flags that a bind can have of its own; the others belong to the file system below. */
const attributeMask =
  mountAttributes.ro | mountAttributes.nosuid | mountAttributes.nodev | mountAttributes.noexec

/**
 * Mounts on `target`, an existing directory.
 *
 * @throws KataError SHARE_MOUNT_INVALID, SHARE_SOURCE_MISSING, SHARE_SOURCE_KIND, SHARE_MOUNT_FAILED.
 */
export function mountRootfs(request: RootfsMount, target: string, container: string): void {
  const options = parseMountOptions(request.options)
  const tooLong = Buffer.byteLength(options.data) > maxDataBytes
  try {
    if (options.bind || request.type === 'bind') bindDirectory(request.source, target, container, options)
    else if (request.type === '')
      throw new KataError('SHARE_MOUNT_INVALID', { what: 'empty type', reason: 'it is not a bind either' })
    else if (request.type === 'overlay' && tooLong) mountOverlay(target, options.data, options.flags)
    else if (tooLong)
      throw new KataError('SHARE_MOUNT_INVALID', {
        what: `option string of ${request.type}`,
        reason: `it has more than ${maxDataBytes} bytes`,
      })
    else
      mount({ source: request.source, target, type: request.type, flags: options.flags, data: options.data })
    if (options.propagation !== 0) mount({ source: 'none', target, flags: options.propagation })
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause
    const { errno } = cause
    const call = String(cause.fields.call)
    throw new KataError('SHARE_MOUNT_FAILED', { type: request.type, container, errno, call }, { cause })
  }
}

function bindDirectory(
  source: string,
  target: string,
  container: string,
  options: { recursive: boolean; flags: number },
): void {
  const { fd, kind } = openSource(source, container)
  try {
    if (kind !== 'directory') throw new KataError('SHARE_SOURCE_KIND', { source, container, kind })
    bindTree(fd, target, { recursive: options.recursive, attributes: options.flags & attributeMask })
  } finally {
    closeSync(fd)
  }
}
