/** Descriptors that stand for devices of the host: real ones, of a file that no other code opens, so that they can be counted. */
import { openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openFiles } from '../../../linux/files/open-files.double.ts'

export class DescriptorCount {
  readonly #file: string

  constructor(directory: string) {
    this.#file = join(directory, 'device')
    writeFileSync(this.#file, '')
  }

  /** How many are open now. */
  get open(): number {
    return openFiles().filter((name) => name === this.#file).length
  }

  /** The caller closes it. */
  openOne(): number {
    return openSync(this.#file, 'r')
  }
}
