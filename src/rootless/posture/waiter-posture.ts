/** The expected posture of a waiter (waiter.ts), derived from that of its program. */
import { namespaceKinds } from './posture.ts'
import { type ExpectedPosture, ownNamespaces, settledPosture } from './posture-check.ts'
import { type PostureRecord, recordPosture } from './posture-record.ts'

/** The same user in the same root, but outside of the pid namespace, without filters, and with nothing open. */
export function waiterPosture(program: ExpectedPosture): ExpectedPosture {
  const { handedOver: _, fewestSockets: __, ...same } = program
  const own = namespaceKinds.filter((kind) => kind !== 'pid' && program.namespaces[kind] === 'own')
  return {
    ...same,
    ...{ seccompFilters: 0, firstThreadFilters: 0, namespaces: ownNamespaces(own) },
    ...{ descriptors: {}, files: [], opens: [], sockets: 0 },
  }
}

/**
 * Compares the waiter of a program, `ref`, with what it has to be, and notes it for audits beside its program.
 *
 * @throws KataError POSTURE_DIFFERS, PROCESS_GONE.
 */
export async function confirmWaiter(stateDir: string, { name, ref, expected }: PostureRecord): Promise<void> {
  const waiting = waiterPosture(expected)
  // It closes its descriptors after it has started the program.
  await settledPosture(ref.pid, waiting)
  recordPosture(stateDir, { name: `${name}-waiter`, ref, expected: waiting })
}
