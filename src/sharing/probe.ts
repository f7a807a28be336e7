/**
 * Tests whether this kernel can show files to an unprivileged virtiofsd. Takes the real steps, in a mount namespace that is dropped afterwards.
 */
import { closeSync, mkdirSync } from 'node:fs'
import { closing } from '../linux/files/open-at.ts'
import { mount } from '../linux/mounts/mount.ts'
import { openLocation } from '../linux/mounts/mount-tree.ts'
import { inNewMountNamespace } from '../linux/mounts/new-namespace.ts'
import { newUserNamespace } from '../linux/processes/user-namespace.ts'
import { type Idmap, isNotMappable, mappedClone } from './idmap.ts'
import { mountRootfs } from './rootfs/rootfs-mount.ts'
import { upperHalf } from './share-id-map.ts'

/** An id that no account of the host has. */
const map = [{ inside: 0, outside: upperHalf, count: 65536 }]
/** Stands for a container's id in errors. */
const container = 'trial'
/** A directory that every host has. The trial mounts a file system in memory there, in its own namespace. */
const place = '/run'

/**
 * Tests volumes in memory, such as Secrets and service account tokens. They need Linux 6.3.
 *
 * @param memory type of a file system in memory.
 * @throws KataError SHARE_NOT_IDMAPPABLE, USER_NAMESPACE_REFUSED; SyscallError.
 */
export const probeMappedMemory = (memory = 'tmpfs'): Promise<void> =>
  withMemory(memory, (idmap) =>
    closing(openLocation(place), (fd) =>
      closeSync(mappedClone(fd, idmap, { source: `a ${memory}`, container })),
    ),
  )

/**
 * Tests overlays of mapped layers. They need Linux 5.19.
 *
 * @param memory type of a file system in memory for the layers.
 * @param onDisk two directories that serve as layers if the file system in memory cannot be mapped. Nothing is written there.
 * @throws KataError SHARE_MOUNT_FAILED, SHARE_NOT_IDMAPPABLE, USER_NAMESPACE_REFUSED; SyscallError.
 */
export const probeMappedOverlay = (memory = 'tmpfs', onDisk = ['/var/lib', '/var/cache']): Promise<void> =>
  withMemory(memory, (idmap) => {
    const [target, scratch, ...layers] = ['target', 'scratch', 'upper', 'lower'].map(
      (name) => `${place}/${name}`,
    )
    for (const directory of [target!, scratch!, ...layers]) mkdirSync(directory)
    const show = (lower: readonly string[]) =>
      mountRootfs(
        { type: 'overlay', source: 'overlay', options: ['ro', `lowerdir=${lower.join(':')}`] },
        { target: target!, container, idmap, scratch: scratch! },
      )
    try {
      show(layers)
    } catch (error) {
      if (!isNotMappable(error)) throw error
      show(onDisk)
    }
  })

async function withMemory(type: string, action: (idmap: Idmap) => void): Promise<void> {
  const userNamespace = await newUserNamespace(map)
  try {
    inNewMountNamespace(() => {
      mount({ source: 'none', target: place, type, data: 'mode=755' })
      action({ userNamespace, first: upperHalf, map })
    })
  } finally {
    closeSync(userNamespace)
  }
}
