/**
 * What containerd says at `start` beyond the flags, and how it wants the answer. Up to 2.2 the rest comes in the
 * environment, standard input holds the runtime options and the answer is the bare address, or JSON for a client that
 * takes a later version than 2; from 2.3 on both are messages of the bootstrap protocol.
 */
import { readSync } from 'node:fs'
import { BootstrapParams, BootstrapResult } from '../protocol/generated/containerd/bootstrap.ts'
import { Any } from '../protocol/generated/google/protobuf/any.ts'
import type { ShimFlags } from './flags.ts'

export interface Bootstrap {
  /** Where events go; empty when nobody wants them. */
  readonly eventsAddress: string
  readonly debug: boolean
  /** The runtime's options. Create of a task repeats them, and the creation of a sandbox does not. */
  readonly options: Any | undefined
  /** What `start` prints for the address of the shim. */
  answer(address: string): Uint8Array
}

/** containerd sends some hundred bytes. */
const maxInputBytes = 1024 * 1024
/** The Task service's, of which containerd 2 has the third. Its messages are those of the second. */
const version = 3
/** `runtimeoptions.v1.Options`, the only type that the shim reads. */
export const optionsTypeUrl = 'runtimeoptions.v1.Options'
/** Log levels at or below this one ask for detail. */
const debugLevel = -4

/** `input` is what came on standard input. Pure. */
export function parseBootstrap(
  input: Uint8Array,
  flags: Pick<ShimFlags, 'id' | 'namespace' | 'debug'>,
  env: Readonly<Record<string, string | undefined>>,
): Bootstrap {
  const params = decodeParams(input, flags)
  if (params === undefined) {
    // containerd up to 2.2 says 2, though since 2.0 it takes 3 as well: then it finds both served.
    const takesJson = Number(env.MAX_SHIM_VERSION) >= version
    const encode = (text: string) => new TextEncoder().encode(text)
    return {
      eventsAddress: env.TTRPC_ADDRESS ?? '',
      debug: flags.debug,
      options: optionsIn(() => Any.decode(input)),
      answer: (address) =>
        encode(takesJson ? JSON.stringify({ version, address, protocol: 'ttrpc' }) : address),
    }
  }
  return {
    eventsAddress: params.containerdTtrpcAddress || (env.TTRPC_ADDRESS ?? ''),
    debug: flags.debug || params.logLevel <= debugLevel,
    options: params.extensions.map(({ value }) => value).find((value) => value?.typeUrl === optionsTypeUrl),
    answer: (address) => BootstrapResult.encode({ version, address, protocol: 'ttrpc' }).finish(),
  }
}

/** Input that is no options is none: so it was before there were any. */
function optionsIn(decode: () => Any): Any | undefined {
  try {
    const any = decode()
    return any.typeUrl === optionsTypeUrl ? any : undefined
  } catch {
    return undefined
  }
}

/** Everything on standard input, which containerd closes at its end. */
export function readInput(): Uint8Array {
  const chunks: Uint8Array[] = []
  let total = 0
  const buffer = new Uint8Array(64 * 1024)
  while (total < maxInputBytes) {
    const length = readSync(0, buffer)
    if (length === 0) break
    chunks.push(buffer.slice(0, length))
    total += length
  }
  return Buffer.concat(chunks)
}

/** Runtime options could be read as parameters too, so these must name the task that the flags name. */
function decodeParams(
  input: Uint8Array,
  { id, namespace }: Pick<ShimFlags, 'id' | 'namespace'>,
): BootstrapParams | undefined {
  if (input.length === 0) return undefined
  try {
    const params = BootstrapParams.decode(input)
    return params.instanceId === id && params.namespace === namespace ? params : undefined
  } catch {
    return undefined
  }
}
