/** How many huge pages the machine has: every test's host has them in common (setup/gate/own-host.ts), so one file at a time changes that. */
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { lockFile } from '../../../src/guest-image/lock.ts'

const knob = '/proc/sys/vm/nr_hugepages'
const lock = resolve(import.meta.dir, '../../../build/huge-pages.lock')

export class HugePages implements Disposable {
  readonly #lock: Disposable
  readonly #before = Number(readFileSync(knob, 'utf8'))

  private constructor(lock: Disposable) {
    this.#lock = lock
  }

  /** Waits until no other file holds them. */
  static async hold(): Promise<HugePages> {
    return new HugePages(await lockFile(lock))
  }

  /** Asks the kernel for so many more than there were; it gives what it has. */
  add(count: number): void {
    writeFileSync(knob, String(this.#before + count))
  }

  /** As many as before. */
  [Symbol.dispose](): void {
    this.add(0)
    this.#lock[Symbol.dispose]()
  }
}
