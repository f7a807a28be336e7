/** Tells from QEMU's events and its exit how a machine ended. */
import type { ExitInfo } from '../../rootless/launch-spec.ts'
import type { VmEnd } from '../vmm.ts'

/** An end without the texts. */
export type BareEnd = Pick<VmEnd, 'reason' | 'exit'>

/** How long the last bytes of console and QMP may take to arrive after the exit, milliseconds. */
const drainMs = 500

export class EndWatch {
  /** Settles once. */
  readonly ended: Promise<BareEnd>
  /** The guest's last act was a reset: with -no-reboot an end, and the way a panicked kernel takes. */
  wasReset = false
  readonly #end = Promise.withResolvers<BareEnd>()
  #reason: VmEnd['reason'] = 'exited'
  #pauseExpected = false

  constructor() {
    this.ended = this.#end.promise
  }

  /** A stop that was asked for is no reason to look what is wrong. */
  expectPause(expected: boolean): void {
    this.#pauseExpected = expected
  }

  /**
   * QEMU's events (qapi/run-state.json). A guest that stops by itself may have hit an internal error, which only
   * `queryStatus` tells; QEMU then lives on.
   */
  event(name: string, data: Readonly<Record<string, unknown>>, queryStatus: () => Promise<unknown>): void {
    if (name === 'GUEST_PANICKED') this.#reason = 'guest-panicked'
    if (name === 'SHUTDOWN' && this.#reason === 'exited' && data.guest === true) {
      this.#reason = 'shutdown'
      this.wasReset = data.reason === 'guest-reset'
    }
    if (name === 'STOP' && !this.#pauseExpected && this.#reason === 'exited') void this.#ask(queryStatus)
  }

  /** Ends with the process, after `drains` have closed: what it said last may still be on its way. */
  exitOf(exited: Promise<ExitInfo>, drains: readonly Promise<unknown>[]): void {
    void exited.then(async (exit) => {
      await Promise.race([Promise.all(drains), Bun.sleep(drainMs)])
      this.#end.resolve({ reason: this.#reason, exit })
    })
  }

  /** For a machine that is given up before it had a process. */
  stopped(): void {
    this.#end.resolve({ reason: this.#reason })
  }

  async #ask(queryStatus: () => Promise<unknown>): Promise<void> {
    const answer = await queryStatus().catch(() => undefined)
    if ((answer as { status?: unknown } | undefined)?.status !== 'internal-error') return
    this.#reason = 'internal-error'
    this.#end.resolve({ reason: 'internal-error' })
  }
}
