/** Calls of Kata's protocol that this guest does not serve: each says why, and with the status that Kata uses. */
import type { AgentServiceDefinition } from '../../../../src/protocol/generated/agent.ts'
import type { Implementation } from '../../../../src/ttrpc/ttrpc.ts'
import { unimplemented } from '../errors.ts'

const refuse = (why: string) => (): never => {
  throw unimplemented(why)
}
const noSwap = refuse('the guest has no swap: give the pod the memory that it needs')
const noTables = refuse(
  'the guest image has no iptables: rules of a pod belong to the host side of its network',
)

export function refusedCalls() {
  return {
    addSwap: noSwap,
    addSwapPath: noSwap,
    setPolicy: refuse('this agent has no policy engine, so it cannot hold a request to a policy'),
    getIPTables: noTables,
    setIPTables: noTables,
  } satisfies Implementation<typeof AgentServiceDefinition>
}
