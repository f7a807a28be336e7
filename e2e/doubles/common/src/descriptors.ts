/** What the QEMU underneath is handed over. */
import { close } from 'syscalls'

/** Descriptors in the order in which QEMU gets them, each closed here once it has them. */
export class Descriptors {
  readonly fds: number[] = []
  readonly #ours: number[] = []

  /** QEMU's number for it. */
  give(fd: number): number {
    this.#ours.push(fd)
    return this.lend(fd)
  }

  /** The same, and it stays open here. */
  lend(fd: number): number {
    return 3 + this.fds.push(fd) - 1
  }

  close(): void {
    for (const fd of this.#ours) close(fd)
  }
}
