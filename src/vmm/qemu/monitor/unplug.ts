/** Taking a device out of a running machine: the guest has to let go of it, and QEMU tells when it has. */
import { KataError } from '../../../errors.ts'
import { within } from '../../../time.ts'

/** A guest that runs lets go of a device within some hundred milliseconds, under load within seconds. */
const unplugMs = 20_000
/** What QEMU says of a device that it has asked the guest for moments ago. */
const alreadyAsked = /is already in the process of unplug/

type Execute = (command: string, args: object) => Promise<unknown>

export class Unplugs {
  readonly #execute: Execute
  readonly #timeoutMs: number
  readonly #waiting = new Map<string, { gone(): void; refused(): void }>()
  /** The devices that QEMU was asked to take out, and whether they are gone: a guest may let go long after nobody waits any more. */
  readonly #asked = new Map<string, boolean>()

  constructor(execute: Execute, timeoutMs = unplugMs) {
    this.#execute = execute
    this.#timeoutMs = timeoutMs
  }

  /**
   * Resolves once the device with QEMU's id `id` is gone, at once where the guest has let go of it since an earlier try. `device` is its
   * name for people.
   *
   * @throws KataError VMM_UNPLUG_REFUSED when the guest refuses or does not react; it may still let go later ({@link takeGone}).
   */
  async remove(id: string, device: string): Promise<void> {
    if (this.takeGone(id)) return
    const gone = Promise.withResolvers<void>()
    const refusal = (reason: string) => new KataError('VMM_UNPLUG_REFUSED', { device, reason })
    this.#waiting.set(id, {
      gone: () => gone.resolve(),
      refused: () => gone.reject(refusal('its guest refuses')),
    })
    gone.promise.catch(() => {})
    const done = Promise.all([this.#ask(id), gone.promise])
    try {
      if ((await within(done, this.#timeoutMs)) === undefined)
        throw refusal(`its guest did not let go of it within ${this.#timeoutMs / 1000} s`)
      this.#asked.delete(id)
    } finally {
      this.#waiting.delete(id)
    }
  }

  /** Whether the guest has let go of a device after its removal failed. Tells it once: another device may get the id then. */
  takeGone(id: string): boolean {
    return !this.#waiting.has(id) && this.#asked.get(id) === true && this.#asked.delete(id)
  }

  /** Takes every event of the machine. */
  event(name: string, { device }: Readonly<Record<string, unknown>>): void {
    const id = String(device)
    const waiting = this.#waiting.get(id)
    if (name === 'DEVICE_DELETED') {
      if (this.#asked.has(id)) this.#asked.set(id, true)
      waiting?.gone()
    } else if (name === 'DEVICE_UNPLUG_GUEST_ERROR') waiting?.refused()
  }

  async #ask(id: string): Promise<void> {
    const isAgain = this.#asked.has(id)
    this.#asked.set(id, false)
    try {
      await this.#execute('device_del', { id })
    } catch (error) {
      // Without an answer it may have been taken.
      if (!(error instanceof KataError) || error.code !== 'VMM_COMMAND_FAILED') throw error
      // The guest let go of it while it was asked again.
      if (this.#asked.get(id) === true || alreadyAsked.test(String(error.fields.reason))) return
      if (!isAgain) this.#asked.delete(id)
      throw error
    }
  }
}
