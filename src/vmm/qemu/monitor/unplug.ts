/** Taking a device out of a running machine: the guest has to let go of it, and QEMU tells when it has. */
import { KataError } from '../../../errors.ts'
import { within } from '../../../time.ts'

/** A guest that runs lets go of a device within some hundred milliseconds, under load within seconds. */
const unplugMs = 20_000

type Execute = (command: string, args: object) => Promise<unknown>

export class Unplugs {
  readonly #execute: Execute
  readonly #timeoutMs: number
  readonly #waiting = new Map<string, { gone(): void; refused(): void }>()

  constructor(execute: Execute, timeoutMs = unplugMs) {
    this.#execute = execute
    this.#timeoutMs = timeoutMs
  }

  /**
   * Resolves once the device with QEMU's id `id` is gone. `device` is its name for people.
   *
   * @throws KataError VMM_UNPLUG_REFUSED when the guest refuses or does not react; the device is still there then.
   */
  async remove(id: string, device: string): Promise<void> {
    const gone = Promise.withResolvers<void>()
    const refusal = (reason: string) => new KataError('VMM_UNPLUG_REFUSED', { device, reason })
    this.#waiting.set(id, {
      gone: () => gone.resolve(),
      refused: () => gone.reject(refusal('its guest refuses')),
    })
    gone.promise.catch(() => {})
    const done = Promise.all([this.#execute('device_del', { id }), gone.promise])
    try {
      if ((await within(done, this.#timeoutMs)) !== undefined) return
      throw refusal(`its guest did not let go of it within ${this.#timeoutMs / 1000} s`)
    } finally {
      this.#waiting.delete(id)
    }
  }

  /** Takes every event of the machine. */
  event(name: string, { device }: Readonly<Record<string, unknown>>): void {
    const waiting = this.#waiting.get(String(device))
    if (name === 'DEVICE_DELETED') waiting?.gone()
    else if (name === 'DEVICE_UNPLUG_GUEST_ERROR') waiting?.refused()
  }
}
