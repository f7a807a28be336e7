/**
 * How much of the processors' time nobody has used lately (proc_stat(5)). The kernel's count of pressure does not say that: a container that has
 * used up its limit of processor time counts as one that waits, and one such container makes a host that does nothing look busy.
 */
import { readFileSync } from 'node:fs'
import { type Clock, realClock } from '../../time.ts'

/** As long as the shortest window of the kernel's pressure, milliseconds. */
const windowMs = 10_000

interface Sample {
  readonly at: number
  /** In the kernel's ticks since the boot, of all processors together. */
  readonly idle: number
  readonly total: number
}

export class IdleShare {
  readonly #file: string
  readonly #clock: Pick<Clock, 'now'>
  #samples: readonly Sample[] = []

  constructor(file = '/proc/stat', clock: Pick<Clock, 'now'> = realClock) {
    this.#file = file
    this.#clock = clock
  }

  /** In percent, of the last ten seconds. Undefined before it was asked for so long, and where the kernel does not tell. */
  read(): number | undefined {
    const now = this.#sample()
    if (now === undefined) return undefined
    // The newest that is old enough stays, and all after it.
    const from = this.#samples.findLastIndex(({ at }) => now.at - at >= windowMs)
    const kept = this.#samples.slice(Math.max(from, 0))
    this.#samples = [...kept, now]
    const [first] = kept
    if (from < 0 || first === undefined || now.total <= first.total) return undefined
    return (100 * (now.idle - first.idle)) / (now.total - first.total)
  }

  #sample(): Sample | undefined {
    try {
      const line = /^cpu +(.*)$/m.exec(readFileSync(this.#file, 'utf8'))?.[1]
      if (line === undefined) return undefined
      // What guests use is in the first two already.
      const [user = 0, nice = 0, system = 0, idle = 0, disk = 0, ...rest] = line.split(' ').map(Number)
      const [irq = 0, softirq = 0, stolen = 0] = rest
      const unused = idle + disk
      return {
        at: this.#clock.now(),
        idle: unused,
        total: user + nice + system + unused + irq + softirq + stolen,
      }
    } catch {
      return undefined
    }
  }
}
