/**
 * Disks for a VMM that takes no open descriptor: a device node of its user's own, mode 0600, in its jail's own directory.
 * It is there only while the VMM opens it; the host's node is never touched. A regular file
 * becomes a loop device, which frees itself when the VMM has let go of it.
 */
import { fstatSync, rmSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { makeNode } from '../../linux/files/inode.ts'
import { openLoopDevice, resizeLoopDevice } from '../../linux/mounts/loop-device.ts'
import { type DiskAttachment, noSuchDisk } from '../machine/disk.ts'

export interface DiskNodesOptions {
  /** The process in whose jail they are made. */
  readonly pid: number
  readonly uid: number
  /** In the jail; a file system of its own that only root can write. */
  readonly directory: string
}

/** What the VMM has open of a disk. */
interface Opened {
  /** `rdev` of stat(2). */
  readonly device: number
  readonly readonly: boolean
  /** The loop device of a regular file. */
  readonly loop?: { readonly path: string; readonly file: { readonly dev: number; readonly ino: number } }
}

export class DiskNodes {
  readonly #options: DiskNodesOptions
  readonly #opened = new Map<string, Opened>()

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
    const file = fstatSync(fd)
    const loop = kind === 'file' ? openLoopDevice(fd, { readonly }) : undefined
    try {
      const opened: Opened = {
        ...{ device: loop?.device ?? file.rdev, readonly },
        ...(loop !== undefined && { loop: { path: loop.path, file } }),
      }
      const result = await this.#with(node, id, opened, use)
      this.#opened.set(id, opened)
      return result
    } finally {
      loop?.close()
    }
  }

  /** Makes the node of a disk that the VMM has open already once more. @throws KataError VMM_OPTION_INVALID when it has not. */
  again<T>(id: string, use: (path: string) => Promise<T>): Promise<T> {
    return this.#with(this.#path(id), id, this.#find(id), use)
  }

  /** Has a loop device take the size of its file; a block device has its own. @throws as {@link again}; SyscallError. */
  resize(id: string): void {
    const { loop } = this.#find(id)
    if (loop !== undefined) resizeLoopDevice(loop.path, loop.file)
  }

  /** For a disk that the VMM has let go of. */
  forget(id: string): void {
    this.#opened.delete(id)
  }

  #find(id: string): Opened {
    const opened = this.#opened.get(id)
    if (opened === undefined) throw noSuchDisk(id)
    return opened
  }

  async #with<T>(
    node: string,
    id: string,
    { device, readonly }: Opened,
    use: (path: string) => Promise<T>,
  ): Promise<T> {
    try {
      makeNode(node, { type: 'block', device, uid: this.#options.uid, mode: readonly ? 0o400 : 0o600 })
      return await use(`${this.#options.directory}/${id}`)
    } finally {
      rmSync(node, { force: true })
    }
  }

  #path(id: string): string {
    if (!/^[\w-]{1,64}$/.test(id))
      throw new KataError('VMM_OPTION_INVALID', { reason: `the disk's id is ${JSON.stringify(id)}` })
    const { pid, directory } = this.#options
    return `/proc/${pid}/root${directory}/${id}`
  }
}
