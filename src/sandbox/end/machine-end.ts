/**
 * Why a machine ended, or is lost. Such an end breaks several things at once: the VMM exits, its sockets close, virtiofsd
 * follows. Their signs arrive in any order. All are reported here, one of them is the cause, and all code that names the cause
 * asks here.
 */
import { KataError } from '../../errors.ts'
import { type ExitInfo, exitWords } from '../../rootless/jail/launch-spec.ts'
import { type Clock, realClock } from '../../time.ts'
import { TtrpcError } from '../../ttrpc/ttrpc.ts'
import { endSentence, lastWords, panicWords, vmEndError } from '../../vmm/monitor/end-error.ts'
import type { VmEnd } from '../../vmm/vmm.ts'

/** Each sign that a machine can give of its end. */
export interface EndSigns {
  /** The end was asked for, so no cause is reported. */
  asked: true
  /** The host's kernel killed a process of the sandbox because memory ran out. This sign is looked up, not reported. */
  memory: KataError
  /** The VMM reported an end, or exited. */
  machine: VmEnd
  /** Virtiofsd exited. */
  share: ExitInfo
  /** We ended the connection to the agent for what it sent: AGENT_DIED. What the guest does after that comes of it. */
  breach: KataError
  /** The connection to the agent was lost: AGENT_DIED. */
  agent: KataError
  /** The reason why the guest loses its machine: something that it did or failed to do. */
  condemned: string
  /** How long a guest that had answered before has been silent. */
  silent: string
  /** The guest's agent never answered. */
  unanswered: KataError
}

export type EndSign = keyof EndSigns

/** A sign with what it says. */
type Told = { [Sign in EndSign]: { readonly sign: Sign; readonly what: EndSigns[Sign] } }[EndSign]

/** What explains what: of the signs that are there when the wait is over, the first in this list is the cause. */
export const precedence = [
  'asked',
  'memory',
  'breach',
  'machine',
  'share',
  'agent',
  'condemned',
  'silent',
  'unanswered',
] as const satisfies readonly EndSign[]

/** Signs that no later sign explains. */
export const final: ReadonlySet<EndSign> = new Set(['asked', 'machine'])

/**
 * How long the other signs may take to follow the first one, milliseconds. A process is reaped, and its last words are read,
 * after its sockets have closed; on a host under load that takes seconds. Without this wait a panic would be reported
 * as a lost connection.
 */
export const signsMs = 3000

export interface MachineEndOptions {
  /** The sandbox's. */
  readonly id: string
  /** Path of the VMM. */
  readonly program: string
  /** The last output of the guest's console. */
  consoleTail(): string
  /** {@link CgroupPlacement.outOfMemory}. */
  outOfMemory(): KataError | undefined
  /** How long it has waited in all for a processor that others had, milliseconds; default never. */
  readonly waited?: () => number
  readonly clock?: Clock
}

export class MachineEnd {
  /** Settles with what happened once the machine is lost; never when its end was asked for first. */
  readonly lost: Promise<KataError>
  readonly #options: MachineEndOptions
  readonly #told = new Map<EndSign, Told>()
  readonly #settled = Promise.withResolvers<KataError | undefined>()
  readonly #over = new AbortController()
  #isUp = false
  #waits = false

  constructor(options: MachineEndOptions) {
    this.#options = options
    this.lost = this.#settled.promise.then((error) => error ?? new Promise<never>(() => {}))
  }

  /** Aborted once the end is settled; its reason says what happened. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  /** {@link MachineEndOptions.waited}. */
  waited(): number {
    return this.#options.waited?.() ?? 0
  }

  /** Whether the machine is lost without having been asked to end. */
  get isLost(): boolean {
    return this.#over.signal.reason instanceof KataError
  }

  /** From now on the machine is a running sandbox: its end is a death and not a failed start. */
  isUp(): void {
    this.#isUp = true
  }

  /** Notes a sign. The first of a sort counts, and none counts after the cause was found. */
  tell<Sign extends EndSign>(sign: Sign, what: EndSigns[Sign]): void {
    if (this.#over.signal.aborted) return
    if (!this.#told.has(sign)) this.#told.set(sign, { sign, what } as Told)
    if (final.has(sign)) this.#settle()
    else this.#wait()
  }

  /** {@link EndSigns.breach}, or {@link EndSigns.agent}. */
  tellAgentLost(lost: KataError): void {
    const { cause } = lost
    const isOurs = cause instanceof TtrpcError && cause.code !== 'unavailable' && cause.code !== 'cancelled'
    this.tell(isOurs ? 'breach' : 'agent', lost)
  }

  #wait(): void {
    if (this.#waits) return
    this.#waits = true
    const { clock = realClock } = this.#options
    void clock.sleep(signsMs, this.#over.signal).then(
      () => this.#settle(),
      () => {},
    )
  }

  /** What happened, for a caller whose call was lost; `lost` itself (AGENT_DIED, VMM_DISCONNECTED) when the end was asked for. */
  async explainLoss(lost: KataError): Promise<KataError> {
    if (lost.code === 'VMM_DISCONNECTED') this.tell('condemned', lost.rawMessage)
    else this.tellAgentLost(lost)
    return (await this.#settled.promise) ?? lost
  }

  /**
   * The result of `work`, which needs the machine.
   *
   * @throws what happened when the machine is lost meanwhile, or the work failed by that; AbortError when its end was asked
   *   for; else what `work` throws.
   */
  async during<T>(work: Promise<T>): Promise<T> {
    const over = this.#settled.promise.then(() => Promise.reject(this.over.reason))
    try {
      return await Promise.race([work, over])
    } catch (error) {
      throw await this.#explain(error)
    }
  }

  async #explain(error: unknown): Promise<unknown> {
    const isLoss = error instanceof KataError && error.code === 'AGENT_DIED'
    if (isLoss) return this.explainLoss(error)
    // A daemon that the kernel killed fails the guest's mount before its own end is known.
    return this.isLost ? error : (this.#options.outOfMemory() ?? error)
  }

  #settle(): void {
    const memory = this.#told.has('asked') ? undefined : this.#options.outOfMemory()
    if (memory !== undefined) this.#told.set('memory', { sign: 'memory', what: memory })
    const [cause] = precedence.flatMap((sign) => this.#told.get(sign) ?? [])
    const error = cause && this.#errorOf(cause)
    this.#settled.resolve(error)
    this.#over.abort(error)
  }

  /** A machine that never came up failed in its start, with an error of its own. One that was up has died. */
  #errorOf(cause: Told): KataError | undefined {
    const { id, program } = this.#options
    switch (cause.sign) {
      case 'asked':
        return undefined
      case 'memory':
        return this.#isUp ? this.#died(cause.what.rawMessage, cause.what) : cause.what
      case 'machine':
        return this.#isUp ? this.#died(endSentence(cause.what)) : vmEndError(cause.what, id, program)
      case 'share':
        return this.#died(`virtiofsd ended (${exitWords(cause.what)})`)
      case 'breach':
        return this.#isUp
          ? this.#died(`the guest agent broke the protocol (${cause.what.rawMessage})`)
          : cause.what
      case 'agent':
        return this.#isUp ? this.#died(`the guest agent went away (${cause.what.rawMessage})`) : cause.what
      case 'condemned':
      case 'silent':
        return this.#died(cause.what)
      case 'unanswered':
        return cause.what
    }
  }

  #died(reason: string, cause?: KataError): KataError {
    const { id, consoleTail } = this.#options
    const console = consoleTail()
    const fields = { id, reason, tail: panicWords(console) ?? lastWords(console) }
    return new KataError('SANDBOX_DIED', fields, cause === undefined ? {} : { cause })
  }
}

/** The error that names the cgroup and a remedy, when a death came from the host's memory limit. */
export function outOfMemoryOf({ cause }: KataError): KataError | undefined {
  return cause instanceof KataError && cause.code === 'CGROUP_OUT_OF_MEMORY' ? cause : undefined
}
