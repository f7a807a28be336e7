/** Finds every field in which a process differs from its requested posture. */
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
 * How long a program that has just been started may take until its posture is final, and how long its loader may hold a library open in
 * addition, milliseconds. 20 are usual; a host with a load of 60 took more than 2000.
 */
const patience = { settleMs: 2000, loaderMs: 15_000 } as const

/**
 * {@link assertPosture} for a program that does not say when it is ready. Right after execve(2), its loader opens one library after another.
 * The expected posture stays the same. A reading between two libraries finds none open, although the next one would.
 *
 * @throws KataError as {@link assertPosture}, if the process still differs after that time.
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

/** Pause between two readings, each of some thirty files of /proc. */
const pauses = { everyMs: 1, longestMs: 4 }

const isDescriptor = ({ field }: PostureRow): boolean => field.startsWith('descriptors.')
