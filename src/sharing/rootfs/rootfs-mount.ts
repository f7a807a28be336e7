/** Mounts a root file system that containerd described, under a directory of the share. */
import { closeSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { SyscallError } from '../../linux/libc.ts'
import { type MountCall, mount, mountFlags, unmount } from '../../linux/mounts/mount.ts'
import { mountAttributes, openLocation } from '../../linux/mounts/mount-tree.ts'
import { type Idmap, mappedBind } from '../idmap.ts'
import { type ParsedOptions, parseMountOptions } from '../mount-options.ts'
import type { RootfsMount } from '../share.ts'
import { openDirectory } from '../source.ts'
import { withMappedLayers } from './mapped-overlay.ts'
import { withOpenLayers } from './overlay.ts'

/** mount(2) copies one page of options, with the final NUL. */
const maxDataBytes = 4095
/** Flags that a bind can have itself. The others belong to the file system below it. */
const attributeMask =
  mountAttributes.ro | mountAttributes.nosuid | mountAttributes.nodev | mountAttributes.noexec

/** The place of a root file system, and its container. */
export interface RootfsTarget {
  /** An existing directory. */
  readonly target: string
  readonly container: string
  /** For an unprivileged daemon. */
  readonly idmap: Idmap | undefined
  /** An empty directory of our own, for auxiliary mounts. */
  readonly scratch: string
}

/**
 * Mounts on `target`.
 *
 * @throws KataError SHARE_MOUNT_INVALID, SHARE_SOURCE_MISSING, SHARE_SOURCE_KIND, SHARE_MOUNT_FAILED,
 *   SHARE_NOT_IDMAPPABLE.
 */
export function mountRootfs(request: RootfsMount, place: RootfsTarget): void {
  const { target, container } = place
  const options = parseMountOptions(request.options)
  try {
    if (options.bind || request.type === 'bind') bindDirectory(request.source, place, options)
    else if (request.type === '')
      throw new KataError('SHARE_MOUNT_INVALID', { what: 'empty type', reason: 'it is not a bind either' })
    else mountFileSystem(request, place, options)
    if (options.propagation !== 0) mount({ source: 'none', target, flags: options.propagation })
  } catch (cause) {
    const { errno, call } = failedCall(cause)
    throw new KataError('SHARE_MOUNT_FAILED', { type: request.type, container, errno, call }, { cause })
  }
}

/** The name of the failed system call. Rethrows any other error. */
function failedCall(error: unknown): { errno: string; call: string } {
  if (error instanceof SyscallError) return { errno: error.errno, call: String(error.fields.call) }
  const { code, syscall, path } = error as NodeJS.ErrnoException
  if (error instanceof KataError || code === undefined || syscall === undefined) throw error
  return { errno: code, call: `${syscall} ${path}` }
}

function mountFileSystem(
  { type, source }: RootfsMount,
  { target, container, idmap, scratch }: RootfsTarget,
  { flags, data }: ParsedOptions,
): void {
  const call = { type, source, target, flags: flags | mountFlags.nodev, data }
  const mountOverlay = (layers: string) =>
    withOpenLayers(layers, container, (open) => mountPlain({ ...call, data: open }))
  if (type === 'overlay' && idmap === undefined) mountOverlay(data)
  else if (type === 'overlay') withMappedLayers(data, idmap!, container, scratch, mountOverlay)
  else if (idmap === undefined) mountPlain(call)
  else mountAside(call, scratch, (fd) => mappedBind(fd, target, idmap, { source, container }))
}

/** Only a mount that is not attached yet can be idmapped. So the file system is mounted apart, and `use` binds a copy. */
function mountAside(call: Required<MountCall>, scratch: string, use: (fd: number) => void): void {
  mountPlain({ ...call, target: scratch })
  const fd = openLocation(scratch)
  try {
    use(fd)
  } finally {
    closeSync(fd)
    unmount(scratch)
  }
}

function mountPlain(call: Required<MountCall>): void {
  if (Buffer.byteLength(call.data) > maxDataBytes)
    throw new KataError('SHARE_MOUNT_INVALID', {
      what: `option string of ${call.type}`,
      reason: `it has more than ${maxDataBytes} bytes`,
    })
  mount(call)
}

function bindDirectory(
  source: string,
  { target, container, idmap }: RootfsTarget,
  { recursive, flags }: ParsedOptions,
): void {
  const fd = openDirectory(source, container)
  try {
    mappedBind(fd, target, idmap, { source, container }, { recursive, attributes: flags & attributeMask })
  } finally {
    closeSync(fd)
  }
}
