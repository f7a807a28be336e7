/** Every field in which a process differs from the posture that its launch asked for. */
import { KataError } from '../../errors.ts'
import { until } from '../../time.ts'
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

/** Reads the process and compares. @throws KataError POSTURE_DIFFERS listing every difference, or PROCESS_GONE. */
export function assertPosture(pid: number, expected: ExpectedPosture): Posture {
  const actual = readPosture(pid)
  const differences = comparePosture(expected, actual)
  if (differences.length > 0) {
    const list = differences.map(
      ({ field, tid, expected: wanted, actual: found }) =>
        `${field}${tid === undefined ? '' : ` of thread ${tid}`} is "${found}", expected "${wanted}"`,
    )
    throw new KataError('POSTURE_DIFFERS', { pid, differences: list.join('; ') })
  }
  return actual
}

/** How long a program that has just been started may take until it is as it stays, milliseconds. */
const settleMs = 2000
/** The same for its loader alone, which holds a library open; 20 are usual, and a host with a load of 60 took more than 2000. */
const loaderMs = 15_000

/**
 * {@link assertPosture} for a program that does not say when it is ready: right after execve(2) its loader still has
 * libraries open. The expected posture stays the same.
 *
 * @throws KataError as {@link assertPosture}, when it still differs after that time.
 */
export async function settledPosture(pid: number, expected: ExpectedPosture): Promise<Posture> {
  const differences = () => comparePosture(expected, readPosture(pid))
  await until(() => differences().length === 0, { timeoutMs: settleMs, ...pauses })
  await until(
    () => {
      const left = differences()
      return left.length === 0 || !left.every(isDescriptor)
    },
    { timeoutMs: loaderMs, ...pauses },
  )
  return assertPosture(pid, expected)
}

/** A look reads some thirty files of /proc. */
const pauses = { everyMs: 1, longestMs: 4 }

const isDescriptor = ({ field }: PostureRow): boolean => field.startsWith('descriptors.')
