/**
 * Disks for a VMM that takes no open descriptor: a device node of its user's own, mode 0600, in its jail's own directory.
 * It is there only while the VMM opens it; the host's node is never touched. A regular file
 * becomes a loop device, which frees itself when the VMM has let go of it.
 */
import { fstatSync, rmSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { makeNode } from '../../linux/files/inode.ts'
import { openLoopDevice } from '../../linux/mounts/loop-device.ts'
import type { DiskAttachment } from '../machine/disk.ts'

export interface DiskNodesOptions {
  /** The process in whose jail they are made. */
  readonly pid: number
  readonly uid: number
  /** In the jail; a file system of its own that only root can write. */
  readonly directory: string
}

export class DiskNodes {
  readonly #options: DiskNodesOptions

  constructor(options: DiskNodesOptions) {
    this.#options = options
  }

  /**
   * Makes the node for as long as `use` takes, which gives its path to the VMM and resolves when that has opened it.
   *
   * @throws KataError VMM_OPTION_INVALID for an id that is no file name; SyscallError of mknod and loop devices.
   */
  async during<T>(
    { id, fd, kind, readonly }: Pick<DiskAttachment, 'id' | 'fd' | 'kind' | 'readonly'>,
    use: (path: string) => Promise<T>,
  ): Promise<T> {
    const node = this.#path(id)
    const loop = kind === 'file' ? openLoopDevice(fd, { readonly }) : undefined
    try {
      const device = loop?.device ?? fstatSync(fd).rdev
      makeNode(node, { type: 'block', device, uid: this.#options.uid, mode: readonly ? 0o400 : 0o600 })
      return await use(`${this.#options.directory}/${id}`)
    } finally {
      rmSync(node, { force: true })
      loop?.close()
    }
  }

  #path(id: string): string {
    if (!/^[\w-]{1,64}$/.test(id))
      throw new KataError('VMM_OPTION_INVALID', { reason: `the disk's id is ${JSON.stringify(id)}` })
    const { pid, directory } = this.#options
    return `/proc/${pid}/root${directory}/${id}`
  }
}
