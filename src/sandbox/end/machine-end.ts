/**
 * Why a machine ended, or is lost. What ends a machine breaks several things at once, and their signs arrive in any order:
 * the VMM exits, its sockets close, virtiofsd follows. All signs are told here, one of them is the cause, and everybody who
 * has to name it asks here.
 */
import { KataError } from '../../errors.ts'
import type { ExitInfo } from '../../rootless/jail/launch-spec.ts'
import { type Clock, realClock } from '../../time.ts'
import { endSentence, lastWords, panicWords, vmEndError } from '../../vmm/monitor/end-error.ts'
import type { VmEnd } from '../../vmm/vmm.ts'

/** Each sign that a machine can give of its end. */
export interface EndSigns {
  /** The end was asked for: nothing is told of it. */
  asked: true
  /** The host's kernel ended a process of the sandbox for want of memory. It is looked up, nobody tells it. */
  memory: KataError
  /** The VMM reported an end, or exited. */
  machine: VmEnd
  /** Virtiofsd exited. */
  share: ExitInfo
  /** The connection to the agent was lost: AGENT_DIED. */
  agent: KataError
  /** The guest did something, or left something undone, that ends its machine; the reason why. */
  condemned: string
  /** The guest answered once, and does not any more; for how long. */
  silent: string
  /** The guest's agent never answered. */
  unanswered: KataError
}

export type EndSign = keyof EndSigns

/** What explains what: of the signs that are there when the wait is over, the first in this list is the cause. */
export const precedence = [
  'asked',
  'memory',
  'machine',
  'share',
  'agent',
  'condemned',
  'silent',
  'unanswered',
] as const satisfies readonly EndSign[]

/** Signs that nothing which arrives later explains. */
export const final: ReadonlySet<EndSign> = new Set(['asked', 'machine'])

/**
 * How long the other signs may take to follow the first one, milliseconds. A process is reaped, and its last words are read,
 * after its sockets have closed; on a host under load that takes seconds. Without this wait a panic would be told as a
 * connection that was lost.
 */
export const signsMs = 3000

export interface MachineEndOptions {
  /** The sandbox's. */
  readonly id: string
  /** Path of the VMM. */
  readonly program: string
  /** What the guest's console said last. */
  consoleTail(): string
  /** {@link CgroupPlacement.outOfMemory}. */
  outOfMemory(): KataError | undefined
  readonly clock?: Clock
}

export class MachineEnd {
  /** Settles with what happened once the machine is lost; never when its end was asked for first. */
  readonly lost: Promise<KataError>
  readonly #options: MachineEndOptions
  readonly #signs: Partial<EndSigns> = {}
  readonly #settled = Promise.withResolvers<KataError | undefined>()
  readonly #over = new AbortController()
  #isUp = false
  #waits = false

  constructor(options: MachineEndOptions) {
    this.#options = options
    this.lost = this.#settled.promise.then((error) => error ?? new Promise<never>(() => {}))
  }

  /** Fires once it is settled, with what happened as its reason. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  /** Whether the machine is lost, not by our wish. */
  get isLost(): boolean {
    return this.#over.signal.reason instanceof KataError
  }

  /** The machine is a running sandbox from now on: what ends it is its death, and no start that failed. */
  isUp(): void {
    this.#isUp = true
  }

  /** Notes a sign; of two of the same sort the first counts, and of those that come after the cause was found none. */
  tell<Sign extends EndSign>(sign: Sign, what: EndSigns[Sign]): void {
    if (this.#over.signal.aborted) return
    this.#signs[sign] ??= what
    if (final.has(sign)) this.#settle()
    else this.#wait()
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

  /** What happened, for whom a call was lost on the way; `lost` itself, AGENT_DIED, when the end was asked for. */
  async explainLoss(lost: KataError): Promise<KataError> {
    this.tell('agent', lost)
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
    // A daemon that the kernel ended fails the guest's mount before its own end is known.
    return this.isLost ? error : (this.#options.outOfMemory() ?? error)
  }

  #settle(): void {
    const memory = this.#signs.asked ? undefined : this.#options.outOfMemory()
    if (memory !== undefined) this.#signs.memory = memory
    const cause = precedence.find((sign) => this.#signs[sign] !== undefined)
    const error = cause === undefined ? undefined : this.#errorOf(cause)
    this.#settled.resolve(error)
    this.#over.abort(error)
  }

  #errorOf(cause: EndSign): KataError | undefined {
    const { asked, memory, machine, agent, unanswered } = this.#signs
    if (asked) return undefined
    if (!this.#isUp) {
      const { id, program } = this.#options
      if (cause === 'memory') return memory
      if (cause === 'machine') return vmEndError(machine!, id, program)
      if (cause === 'agent') return agent
    }
    return cause === 'unanswered' ? unanswered : this.#died(sentences[cause](this.#signs), memory)
  }

  #died(reason: string, memory: KataError | undefined): KataError {
    const { id, consoleTail } = this.#options
    const console = consoleTail()
    const fields = { id, reason, tail: panicWords(console) ?? lastWords(console) }
    return new KataError('SANDBOX_DIED', fields, memory === undefined ? {} : { cause: memory })
  }
}

/** Of a death that want of the host's memory caused, the error with the cgroup and its remedy. */
export function outOfMemoryOf({ cause }: KataError): KataError | undefined {
  return cause instanceof KataError && cause.code === 'CGROUP_OUT_OF_MEMORY' ? cause : undefined
}

/** Each cause in half a sentence. */
const sentences: Readonly<Record<EndSign, (signs: Partial<EndSigns>) => string>> = {
  asked: () => 'it was asked to end',
  memory: ({ memory }) => memory!.rawMessage,
  machine: ({ machine }) => endSentence(machine!),
  share: ({ share }) => `virtiofsd ended (${share!.signal ?? `exit code ${share!.code}`})`,
  agent: ({ agent }) => `the guest agent went away (${agent!.rawMessage})`,
  condemned: ({ condemned }) => condemned!,
  silent: ({ silent }) => silent!,
  unanswered: ({ unanswered }) => unanswered!.rawMessage,
}
