/**
 * What containerd says at `start` beyond the flags, and the form of the answer. Up to 2.2, the environment has the rest, standard
 * input has the runtime options (which Create repeats), and the answer is the bare address. From 2.3 on, both are messages of the
 * bootstrap protocol.
 */
import { readSync } from 'node:fs'
import { BootstrapParams, BootstrapResult } from '../protocol/generated/containerd/bootstrap.ts'
import type { ShimFlags } from './flags.ts'

export interface Bootstrap {
  /** Where events go; empty when the client takes none. */
  readonly eventsAddress: string
  readonly debug: boolean
  /** The text that `start` prints for the shim's address. */
  answer(address: string): Uint8Array
}

/** containerd sends some hundred bytes. */
const maxInputBytes = 1024 * 1024
/** A log level at or below this one asks for detail. */
const debugLevel = -4

/** `input` is the content of standard input. Pure. */
export function parseBootstrap(
  input: Uint8Array,
  flags: Pick<ShimFlags, 'id' | 'namespace' | 'debug'>,
  env: Readonly<Record<string, string | undefined>>,
): Bootstrap {
  const params = decodeParams(input, flags)
  if (params === undefined)
    return {
      eventsAddress: env.TTRPC_ADDRESS ?? '',
      debug: flags.debug,
      answer: (address) => new TextEncoder().encode(address),
    }
  return {
    eventsAddress: params.containerdTtrpcAddress || (env.TTRPC_ADDRESS ?? ''),
    debug: flags.debug || params.logLevel <= debugLevel,
    answer: (address) => BootstrapResult.encode({ version: 2, address, protocol: 'ttrpc' }).finish(),
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

/** Runtime options can be mistaken for parameters, so parameters must name the same task as the flags. */
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
