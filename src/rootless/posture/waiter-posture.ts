/** The expected posture of a waiter (waiter.ts), derived from that of its program. */
import { namespaceKinds } from './posture.ts'
import { type ExpectedPosture, ownNamespaces } from './posture-check.ts'

/** The same user in the same root, but outside of the pid namespace, without filters, cores of its own, and anything open. */
export function waiterPosture(program: ExpectedPosture): ExpectedPosture {
  const { handedOver: _, fewestSockets: __, cores: ___, ...same } = program
  const own = namespaceKinds.filter((kind) => kind !== 'pid' && program.namespaces[kind] === 'own')
  return {
    ...same,
    seccompFilters: 0,
    firstThreadFilters: 0,
    namespaces: ownNamespaces(own),
    descriptors: {},
    files: [],
    opens: [],
    sockets: 0,
  }
}
