/** What is written down beside a saved machine: what it was made of, and which bytes its files have. */
import { dirname } from 'node:path'
import { describeError, KataError } from '../../errors.ts'
import { list, needed, record } from '../../json/compounds.ts'
import { readFile } from '../../json/document.ts'
import { bool, choice, exactly, number, positive, type Reader, text, uint64 } from '../../json/values.ts'
import type { FileDigest } from '../../linux/files/sparse-file.ts'
import { version as ownVersion } from '../../version.ts'
import type { MachinePlan } from '../size/sizing.ts'

/** A disk of the machine, in the order in which they were plugged in. */
export interface SavedDisk {
  /** Its name in the machine, and where it is there. */
  readonly id: string
  readonly place: string
  readonly readonly: boolean
  readonly bytes: number
  /** The digest of a writable disk ({@link FileDigest}); empty for a disk that is only read. */
  readonly sha256: string
  /** When the file of one that is only read was written last, nanoseconds since 1970; empty for the others. */
  readonly changedAt: string
}

export interface CheckpointFacts {
  readonly version: 1
  /** The version of kata-ts. */
  readonly savedBy: string
  /** ISO 8601. */
  readonly savedAt: string
  /** 64 hexadecimal digits for all that shapes the machine. */
  readonly key: string
  readonly accelerator: 'kvm' | 'tcg'
  readonly plan: MachinePlan
  /** Whether it began as a clone of a template; absent in those of earlier versions, which saved none of them. */
  readonly wasClone?: boolean
  /** The id of its container, as the guest knows it. */
  readonly container: string
  readonly state: FileDigest
  readonly disks: readonly SavedDisk[]
  /** Hardware addresses of its network cards, in the order in which it had them; absent for none. */
  readonly cards?: readonly string[]
}

/** The names of its files. A disk is there only when the machine went on with its own. */
export const checkpointFiles = { state: 'state', facts: 'checkpoint.json', disk: 'written.img' } as const

/** Where a saved machine is until it is whole. */
export const unfinished = (directory: string): string => `${directory}.new`

const factsReader = () =>
  record<CheckpointFacts>({
    version: needed(exactly(1)),
    savedBy: needed(text),
    savedAt: needed(text),
    key: needed(text),
    accelerator: needed(choice('kvm', 'tcg')),
    plan: needed(
      record<MachinePlan>({
        vcpus: needed(number),
        maxVcpus: needed(number),
        memoryMiB: needed(positive),
        maxMemoryMiB: needed(number),
      }),
    ),
    wasClone: bool,
    container: needed(text),
    state: needed(record<FileDigest>({ bytes: needed(positive), sha256: needed(text) })),
    disks: needed(
      list(
        record<SavedDisk>({
          id: needed(text),
          place: needed(text),
          readonly: needed(bool),
          bytes: needed(uint64),
          sha256: needed(text),
          changedAt: needed(text),
        }),
      ),
    ),
    cards: list(text),
  })

/** What facts of every format have in common. */
const anyFacts = record<{ readonly version: number }>({ version: needed(number) })

/** @throws KataError CHECKPOINT_DAMAGED; CHECKPOINT_UNUSABLE for those of another format. */
export function readCheckpointFacts(file: string): CheckpointFacts {
  const { version } = read(anyFacts, file)
  if (version === 1) return read(factsReader(), file)
  const reason = `its format is ${version}, and this kata-ts (${ownVersion}) has format 1`
  throw new KataError('CHECKPOINT_UNUSABLE', { path: dirname(file), reason })
}

function read<T>(reader: Reader<T>, file: string): T {
  try {
    return readFile(reader, file)
  } catch (cause) {
    throw new KataError('CHECKPOINT_DAMAGED', { path: file, reason: describeError(cause) }, { cause })
  }
}
