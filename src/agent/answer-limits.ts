/** Limits of the guest's answers: bytes, and number of values, because a value costs a hundred times its bytes. */
import type { Message } from '../protobuf/message.ts'
import { Empty } from '../protocol/generated/google/protobuf/empty.ts'
import type { MethodDefinition, ServiceDefinition } from '../ttrpc/ttrpc.ts'
import { mostAsked } from './output.ts'

export interface AnswerLimit {
  readonly bytes: number
  /** Tags, lengths and numbers. */
  readonly values: number
}

const kibibyte = 1024
const usual: AnswerLimit = { bytes: 64 * kibibyte, values: 8192 }
/** A chunk, and its envelope. */
const chunk: AnswerLimit = { bytes: mostAsked + 64, values: 64 }
const limits: Readonly<Record<string, AnswerLimit>> = {
  ReadStdout: chunk,
  ReadStderr: chunk,
  // A dozen figures for each disk, network interface and processor.
  StatsContainer: { bytes: 256 * kibibyte, values: 32_768 },
  // One text: a line for each figure of each processor.
  GetMetrics: { bytes: 1024 * kibibyte, values: 64 },
  // The guest's whole table: a tag and a length for each route, as nobody reads what is in it.
  UpdateRoutes: { bytes: 1024 * kibibyte, values: 32_768 },
}
/** Nobody reads these answers. Their fields are passed over. */
const unread: ReadonlySet<string> = new Set(['UpdateRoutes'])

export const answerLimit = (method: string): AnswerLimit => limits[method] ?? usual

/** The same service. Decoding of an answer stops at its limit. */
export function withAnswerLimits<Definition extends ServiceDefinition>(definition: Definition): Definition {
  const methods = Object.entries(definition.methods).map(([key, method]) => [key, bounded(method)])
  return { ...definition, methods: Object.fromEntries(methods) }
}

function bounded(method: MethodDefinition): MethodDefinition {
  const type = method.responseType as Message<unknown>
  const { values } = answerLimit(method.name)
  const responseType = {
    encode: (message: unknown) => type.encode(message),
    decode: unread.has(method.name)
      ? (bytes: Uint8Array) => type.fromPartial(Empty.decode(bytes, values))
      : (bytes: Uint8Array) => type.decode(bytes, values),
    fromPartial: (partial: object) => type.fromPartial(partial),
  }
  return { ...method, responseType }
}
