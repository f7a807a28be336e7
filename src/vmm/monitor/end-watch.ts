/** Tells how a machine ended; each driver adds what its VMM reports (qemu/monitor/end-events.ts for instance). */
import type { ExitInfo } from '../../rootless/jail/launch-spec.ts'
import { within } from '../../time.ts'
import type { VmEnd } from '../vmm.ts'

/** An end without the texts. */
export type BareEnd = Pick<VmEnd, 'reason' | 'exit'>

/**
 * The longest wait after the exit, milliseconds. Console and protocol close when their last bytes have come, which is the end of the
 * wait, unless a process that outlived the VMM keeps them open.
 */
const drainMs = 500

export class EndWatch {
  /** Settles once. */
  readonly ended: Promise<BareEnd>
  /** The guest's last act was a reset: an end for us, and the way a panicked kernel takes. */
  wasReset = false
  /** The VMM's own words for a guest that it could not let go on, whose processor has given up (a triple fault). */
  faultSaid: RegExp | undefined
  readonly #end = Promise.withResolvers<BareEnd>()
  #reason: VmEnd['reason'] = 'exited'

  constructor() {
    this.ended = this.#end.promise
  }

  /** Nothing was reported so far: an exit now would be one without a reason. */
  get isOpen(): boolean {
    return this.#reason === 'exited'
  }

  /** Notes why the process is going to end. */
  because(reason: VmEnd['reason']): void {
    this.#reason = reason
  }

  /** The machine is over although its process lives. */
  over(reason: VmEnd['reason']): void {
    this.#reason = reason
    this.#end.resolve({ reason })
  }

  /** Ends with the process, after `drains` have closed: what it said last may still be on its way. */
  exitOf(exited: Promise<ExitInfo>, drains: readonly Promise<unknown>[]): void {
    void exited.then(async (exit) => {
      await within(Promise.all(drains), drainMs)
      this.#end.resolve({ reason: this.#reason, exit })
    })
  }

  /** For a machine that is given up before it had a process. */
  stopped(): void {
    this.#end.resolve({ reason: this.#reason })
  }
}
