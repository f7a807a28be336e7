/** Services as their implementers write them: handlers by method. */
import type { MessageOf, MethodDefinition, Partially, ServiceDefinition } from './definition.ts'
import type { LentAnswer } from './lent-answer.ts'
import type { TtrpcError } from './status.ts'

export interface CallContext {
  readonly metadata: ReadonlyMap<string, string>
  /** Time the caller gives in milliseconds; when it is over the caller has its answer (`deadline_exceeded`). */
  readonly timeoutMs: number | undefined
  /** {@link ServeOptions.peer}. */
  readonly peer?: number | undefined
  /**
   * Calls `handler` once when the caller no longer waits for the answer: the deadline has passed, or the connection is closed. That may be so
   * already; it is called at once then.
   */
  onCancel(handler: (reason: TtrpcError) => void): void
}

/** Handlers by method; a method without one answers `unimplemented`. */
export type Implementation<Definition extends ServiceDefinition> = {
  readonly [Method in keyof Definition['methods']]?: (
    request: MessageOf<Definition['methods'][Method]['requestType']>,
    context: CallContext,
  ) =>
    | Partially<MessageOf<Definition['methods'][Method]['responseType']>>
    | Promise<Partially<MessageOf<Definition['methods'][Method]['responseType']>> | LentAnswer>
}

type Handler = (request: unknown, context: CallContext) => unknown

/** A service ready to be served; see {@link service}. */
export interface Service {
  readonly name: string
  readonly methods: ReadonlyMap<string, ServedMethod>
}

interface ServedMethod {
  readonly method: MethodDefinition
  readonly handler: Handler
  /** Whether its answer waits for an event: see {@link service}. */
  readonly waits: boolean
}

/**
 * Joins a generated service description with its handlers.
 *
 * @param waiting methods whose answers wait for an event, however long that takes. Nobody tells the server that a caller has gone, so
 *   these calls gather, and they count towards {@link ServeOptions.maxWaiting} in place of `maxInFlight`.
 */
export function service<Definition extends ServiceDefinition>(
  definition: Definition,
  implementation: Implementation<Definition>,
  waiting: readonly (keyof Definition['methods'])[] = [],
): Service {
  const methods = new Map<string, ServedMethod>()
  for (const [key, method] of Object.entries(definition.methods)) {
    const handler = implementation[key]?.bind(implementation) as Handler | undefined
    if (handler) methods.set(method.name, { method, handler, waits: waiting.includes(key) })
  }
  return { name: definition.fullName, methods }
}
