/** Every field in which a process differs from the posture that its launch asked for. */
import { KataError } from '../../errors.ts'
import { poll } from '../../time.ts'
import { differencesText } from './differences.ts'
import type { ExpectedPosture } from './expected-posture.ts'
import { type Posture, readPosture } from './posture.ts'
import { describePosture, differs, type PostureRow } from './posture-rows.ts'

export {
  type ExpectedPosture,
  expectedPosture,
  noCapabilities,
  ownNamespaces,
  type PostureOptions,
} from './expected-posture.ts'
export { describePosture, differs, oomScoreRow, type PostureRow } from './posture-rows.ts'

/** Every difference; empty when the process is confined exactly as expected. */
export function comparePosture(expected: ExpectedPosture, actual: Posture): PostureRow[] {
  return describePosture(expected, actual).filter(differs)
}

/** Reads the process and compares. @throws KataError POSTURE_DIFFERS with the differences, or PROCESS_GONE. */
export function assertPosture(pid: number, expected: ExpectedPosture): Posture {
  return asExpected(expected, readPosture(pid))
}

/** @throws KataError POSTURE_DIFFERS with the differences. */
function asExpected(expected: ExpectedPosture, actual: Posture): Posture {
  const differences = comparePosture(expected, actual)
  if (differences.length === 0) return actual
  throw new KataError('POSTURE_DIFFERS', { pid: actual.pid, differences: differencesText(differences) })
}

/**
 * How long a program that has just been started may take until it is as it stays, and its loader alone, which holds a library open, besides.
 * Milliseconds; 20 are usual, and a host with a load of 60 took more than 2000.
 */
const patience = { settleMs: 2000, loaderMs: 15_000 } as const

/**
 * {@link assertPosture} for a program that does not say when it is ready: right after execve(2) its loader still has
 * libraries open, one after the other. The expected posture stays the same, and what was seen is what counts: between two
 * libraries nothing is open, and one look later something is again.
 *
 * @throws KataError as {@link assertPosture}, when it still differs after that time.
 */
export async function settledPosture(
  pid: number,
  expected: ExpectedPosture,
  read: (pid: number) => Posture = readPosture,
  { settleMs, loaderMs }: Readonly<Record<keyof typeof patience, number>> = patience,
): Promise<Posture> {
  const seenOnce = (isOver: (left: readonly PostureRow[]) => boolean, timeoutMs: number) =>
    poll(
      () => {
        const seen = read(pid)
        return isOver(comparePosture(expected, seen)) ? seen : undefined
      },
      { timeoutMs, ...pauses },
    )
  const settled =
    (await seenOnce((left) => left.length === 0, settleMs)) ??
    (await seenOnce((left) => left.length === 0 || !left.every(isDescriptor), loaderMs))
  return asExpected(expected, settled ?? read(pid))
}

/** A look reads some thirty files of /proc. */
const pauses = { everyMs: 1, longestMs: 4 }

const isDescriptor = ({ field }: PostureRow): boolean => field.startsWith('descriptors.')
