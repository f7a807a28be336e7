/** A file system whose inode numbers no double holds exactly, as those of several network file systems and of an overlay with `xino`; root only. */
import { mkdirSync } from 'node:fs'
import { mount, unmountBelow } from './mount.ts'

export class LargeInodes implements Disposable {
  /** Files that are made here get their large number with {@link show}. */
  readonly files: string
  /** Where they have it. */
  readonly shown: string
  readonly #base: string

  constructor(base: string) {
    this.#base = base
    mkdirSync(base)
    mount({ source: 'none', target: base, type: 'tmpfs' })
    this.files = `${base}/files`
    this.shown = `${base}/shown`
    for (const name of ['files', 'shown', 'upper', 'work']) mkdirSync(`${base}/${name}`)
    // The numbers of a second file system get the high bits.
    mount({ source: 'none', target: this.files, type: 'tmpfs' })
  }

  show(): void {
    const data = `xino=on,lowerdir=${this.files},upperdir=${this.#base}/upper,workdir=${this.#base}/work`
    mount({ source: 'none', target: this.shown, type: 'overlay', data })
  }

  [Symbol.dispose](): void {
    unmountBelow(this.#base)
  }
}
