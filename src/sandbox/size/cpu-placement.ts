/**
 * Where on the host a sandbox runs: on the processors of all its containers together, and with `enable_vcpus_pinning` each processor of
 * the guest on one of the host's.
 */
import { type Cpuset, cpusOf } from '../../cgroups/cpuset.ts'
import type { Logger } from '../../log.ts'
import type { OciResources } from '../../oci/resources.ts'
import { serially } from '../../time.ts'

export interface CpuPlacementParts {
  /** `enable_vcpus_pinning`. */
  readonly pin: boolean
  /** Confines the sandbox's cgroup. @throws KataError CGROUP_UNUSABLE. */
  confine(cpuset: Cpuset): void
  /** The threads of the guest's processors, in their order. */
  threads(): readonly number[]
  /** Where a thread may run now that nobody has pinned, as a list. */
  everywhere(): string
  /** Lets a thread run on these processors of the host alone. @throws Error with the reason. */
  bind(tid: number, cpus: string): Promise<void>
  readonly log: Logger
}

const none: Cpuset = { cpus: [], mems: [] }

export class CpuPlacement {
  readonly #parts: CpuPlacementParts
  readonly #asked = new Map<string, Cpuset>()
  readonly #alone = serially()
  /** Before the sandbox was confined: where the whole VMM is in its cgroup, no thread knows better than that afterwards. */
  #everywhere = ''
  #isConfined = false
  #isPinned = false

  constructor(parts: CpuPlacementParts) {
    this.#parts = parts
  }

  /** A container comes or changes. @throws KataError CPUSET_INVALID, CGROUP_UNUSABLE; what was known of it before counts then. */
  async place(containerId: string, { cpu: { cpus, mems } = {} }: OciResources = {}): Promise<void> {
    const asked = { cpus: cpusOf(cpus), mems: cpusOf(mems) }
    // In its own turn: another container would fail by processors that are refused next.
    await this.#alone(async () => {
      const before = this.#asked.get(containerId)
      this.#asked.set(containerId, asked)
      try {
        await this.#apply()
      } catch (error) {
        if (before === undefined) this.#asked.delete(containerId)
        else this.#asked.set(containerId, before)
        throw error
      }
    })
  }

  /** It goes. */
  forget(containerId: string): Promise<void> {
    return this.#alone(async () => {
      if (this.#asked.delete(containerId)) await this.#apply()
    }).catch((error) =>
      this.#parts.log.warn('the sandbox stays on the processors of a container that is gone', { error }),
    )
  }

  /** The machine has fewer processors than when the last container went: now they may be as many as those of the host that they may run on. */
  placeAgain(): Promise<void> {
    return this.#alone(() => this.#apply()).catch((error) =>
      this.#parts.log.warn('the sandbox stays where it was with more processors', { error }),
    )
  }

  async #apply(): Promise<void> {
    const cpuset = together([...this.#asked.values()])
    if (!this.#isConfined) this.#everywhere = this.#parts.everywhere()
    const asks = cpuset.cpus.length > 0 || cpuset.mems.length > 0
    if (asks || this.#isConfined) {
      this.#parts.confine(cpuset)
      this.#isConfined = asks
    }
    if (this.#parts.pin) await this.#pin(cpuset.cpus)
  }

  /** One to one where there are as many of the one as of the other, as in Kata; otherwise nowhere. */
  async #pin(cpus: readonly number[]): Promise<void> {
    const { threads, bind, log } = this.#parts
    const tids = threads()
    const fits = cpus.length > 0 && tids.length === cpus.length
    if (cpus.length > 0 && !fits)
      log.warn('vCPUs are not pinned: there are as many of them as processors only by default_maxvcpus', {
        vcpus: tids.length,
        cpus,
      })
    if (!fits && !this.#isPinned) return
    try {
      for (const [index, tid] of tids.entries()) await bind(tid, fits ? `${cpus[index]}` : this.#everywhere)
      this.#isPinned = fits
      log.debug(fits ? 'vCPUs are pinned' : 'vCPUs are not pinned', { threads: tids.length, cpus })
    } catch (error) {
      log.warn('vCPUs cannot be pinned', { error, cpus })
    }
  }
}

function together(asked: readonly Cpuset[]): Cpuset {
  const all = (name: keyof Cpuset) => [...new Set(asked.flatMap((one) => one[name]))].sort((a, b) => a - b)
  return asked.length === 0 ? none : { cpus: all('cpus'), mems: all('mems') }
}
