/** Calls about the network. */
import type { AgentServiceDefinition } from '../../../../src/protocol/generated/agent.ts'
import type { Implementation } from '../../../../src/ttrpc/ttrpc.ts'
import { invalid } from '../errors.ts'
import { abortConnections } from '../network/connections.ts'
import { listInterfaces, updateInterface } from '../network/interfaces.ts'
import { addNeighbours, listRoutes, updateRoutes } from '../network/routes.ts'

export function networkCalls() {
  return {
    updateInterface({ interface: wanted }) {
      if (wanted === undefined) throw invalid('the request lacks an interface')
      return updateInterface(wanted)
    },
    updateRoutes({ routes }) {
      if (routes === undefined) throw invalid('the request lacks routes')
      return { routes: updateRoutes(routes) }
    },
    addARPNeighbors({ neighbors }) {
      addNeighbours(neighbors?.arpNeighbors ?? [])
      return {}
    },
    abortConnections() {
      abortConnections()
      return {}
    },
    listInterfaces: () => ({ interfaces: listInterfaces() }),
    listRoutes: () => ({ routes: listRoutes() }),
  } satisfies Implementation<typeof AgentServiceDefinition>
}
