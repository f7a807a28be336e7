/** The guest's memory as a named file: QEMU leaves no other out of what it saves. */
import { closeSync, fchownSync, ftruncateSync, openSync, rmSync } from 'node:fs'
import { copySparse } from '../../linux/files/sparse-file.ts'
import type { Identity } from '../../rootless/jail/launch-spec.ts'
import { memoryPath } from './settings/template.ts'

/** The file of a machine that is about to start, open for as long as it is to be copied: what its user does in the directory changes nothing. */
export class GuestMemory {
  readonly #fd: number
  readonly #path: string

  constructor(privateDir: string, { uid, gid }: Pick<Identity, 'uid' | 'gid'>, memoryMiB: number) {
    this.#path = memoryPath(privateDir)
    this.#fd = openSync(this.#path, 'wx+', 0o600)
    ftruncateSync(this.#fd, memoryMiB * 1024 * 1024)
    fchownSync(this.#fd, uid, gid)
  }

  /** To a file that was opened for writing. @throws the signal's reason; errors of the system. */
  async copyTo(fd: number, signal: AbortSignal): Promise<void> {
    await copySparse(this.#fd, fd, signal)
  }

  close(): void {
    closeSync(this.#fd)
    rmSync(this.#path, { force: true })
  }
}
