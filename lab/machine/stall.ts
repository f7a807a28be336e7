/**
 * Whether a machine that boots still gets anywhere. A slow host must not count as a broken one, so what is measured is what the
 * machine itself had: so much processor time without a sign of life is a halt. One that gets no processor time at all is waited
 * for much longer.
 */
import { readFileSync } from 'node:fs'

const busyLimitS = 400
const idleLimitS = 1800

export class Stall {
  readonly #cpu: () => number
  readonly #now: () => number
  #sign: number | undefined
  #cpuThen = 0
  #then = 0

  constructor(pid: number, { cpu = () => cpuSeconds(pid), now = () => Date.now() / 1000 } = {}) {
    this.#cpu = cpu
    this.#now = now
  }

  /** Why it counts as halted; undefined while it does not. `sign` is any number that changes when something happens in it. */
  reason(sign: number): string | undefined {
    if (sign !== this.#sign) {
      this.#sign = sign
      this.#cpuThen = this.#cpu()
      this.#then = this.#now()
      return undefined
    }
    const used = this.#cpu() - this.#cpuThen
    const waited = this.#now() - this.#then
    if (used > busyLimitS) return `no sign of life in ${Math.round(used)} s of processor time`
    if (waited > idleLimitS) return `no sign of life in ${Math.round(waited)} s`
    return undefined
  }
}

/** Seconds of processor time that a process has used; /proc counts 100 ticks a second. 0 when it is gone. */
function cpuSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return 0
  }
}
