/** Which root file system a container gets: a directory, an image archive, or the embedded busybox. */
import { resolve } from 'node:path'
import { type ResolvedRootfs, resolveRootfs } from '../../images/rootfs.ts'

export interface Rootfs extends ResolvedRootfs {
  /** For people. */
  readonly description: string
}

/** `cacheDir` keeps unpacked layers. @throws KataError ROOTFS_MISSING and the other ROOTFS_ codes. */
export async function chooseRootfs(
  { rootfs, image }: { readonly rootfs?: string; readonly image?: string },
  cacheDir: string,
): Promise<Rootfs> {
  if (rootfs !== undefined) {
    const path = resolve(rootfs)
    return { description: path, ...(await resolveRootfs({ kind: 'directory', path }, cacheDir)) }
  }
  if (image !== undefined) {
    const path = image === '-' ? '/dev/stdin' : resolve(image)
    return { description: path, ...(await resolveRootfs({ kind: 'archive', path }, cacheDir)) }
  }
  const { embeddedBusybox } = await import('../embedded.ts')
  const busybox = await embeddedBusybox()
  return { description: 'busybox', ...(await resolveRootfs({ kind: 'embedded', busybox }, cacheDir)) }
}
