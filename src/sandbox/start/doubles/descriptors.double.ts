/** Descriptors that stand for devices of the host: real ones, of a file that no other code opens, so that they can be counted. */
import { openSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export class DescriptorCount {
  readonly #file: string

  constructor(directory: string) {
    this.#file = join(directory, 'device')
    writeFileSync(this.#file, '')
  }

  /** How many are open now. */
  get open(): number {
    return readdirSync('/proc/self/fd').filter((fd) => this.#isOurs(fd)).length
  }

  /** The caller closes it. */
  openOne(): number {
    return openSync(this.#file, 'r')
  }

  #isOurs(fd: string): boolean {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === this.#file
    } catch {
      return false
    }
  }
}
