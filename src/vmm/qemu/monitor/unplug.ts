/** Taking a device out of a running machine: the guest has to let go of it, and QEMU tells when it has. */
import { KataError } from '../../../errors.ts'
import { within } from '../../../time.ts'

/** A guest that runs lets go of a device within some hundred milliseconds, under load within seconds. */
const unplugMs = 20_000
/** What QEMU says of a device that it has asked the guest for moments ago, and of one that is gone: the event of that is still to come. */
const isGoing = /is already in the process of unplug|^Device '.*' not found/
/** Most that went while nobody waited; no machine has so many. */
const mostGone = 1024

type Execute = (command: string, args: object) => Promise<unknown>

export class Unplugs {
  readonly #execute: Execute
  readonly #timeoutMs: number
  readonly #waiting = new Map<string, { gone(): void; refused(): void }>()
  /** What went while nobody waited: long after its removal failed, or because the guest ejected it by itself. */
  readonly #gone = new Set<string>()

  constructor(execute: Execute, timeoutMs = unplugMs) {
    this.#execute = execute
    this.#timeoutMs = timeoutMs
  }

  /**
   * Resolves once the device with QEMU's id `id` is gone, at once where the guest has let go of it before. `device` is its name for people.
   *
   * @throws KataError VMM_UNPLUG_REFUSED when the guest refuses or does not react; it may still let go later ({@link takeGone}).
   */
  async remove(id: string, device: string): Promise<void> {
    if (this.takeGone(id)) return
    const gone = Promise.withResolvers<void>()
    let isGone = false
    const refusal = (reason: string) => new KataError('VMM_UNPLUG_REFUSED', { device, reason })
    this.#waiting.set(id, {
      gone: () => {
        isGone = true
        gone.resolve()
      },
      refused: () => gone.reject(refusal('its guest refuses')),
    })
    gone.promise.catch(() => {})
    const done = Promise.all([this.#ask(id), gone.promise])
    try {
      if ((await within(done, this.#timeoutMs)) === undefined)
        throw refusal(`its guest did not let go of it within ${this.#timeoutMs / 1000} s`)
    } catch (error) {
      // Whatever QEMU answers, and whenever.
      if (!isGone) throw error
    } finally {
      this.#waiting.delete(id)
    }
  }

  /** Whether the guest has let go of a device while nobody waited for that. Tells it once: another device may get the id then. */
  takeGone(id: string): boolean {
    return this.#gone.delete(id)
  }

  /** Takes every event of the machine. */
  event(name: string, { device }: Readonly<Record<string, unknown>>): void {
    if (typeof device !== 'string') return
    const waiting = this.#waiting.get(device)
    if (name === 'DEVICE_UNPLUG_GUEST_ERROR') waiting?.refused()
    if (name !== 'DEVICE_DELETED') return
    if (waiting !== undefined) waiting.gone()
    else if (this.#gone.size < mostGone) this.#gone.add(device)
  }

  async #ask(id: string): Promise<void> {
    try {
      await this.#execute('device_del', { id })
    } catch (error) {
      const isRefused = error instanceof KataError && error.code === 'VMM_COMMAND_FAILED'
      if (!isRefused || !isGoing.test(String(error.fields.reason))) throw error
    }
  }
}
