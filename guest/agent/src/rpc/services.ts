/** Everything that the agent serves. */
import { AgentServiceDefinition } from '../../../../src/protocol/generated/agent.ts'
import {
  HealthCheckResponse_ServingStatus,
  HealthDefinition,
} from '../../../../src/protocol/generated/health.ts'
import { type Service, service } from '../../../../src/ttrpc/ttrpc.ts'
import { agentVersion } from '../system/version.ts'
import { containerCalls } from './container.ts'
import { type GuestTools, guestCalls } from './guest.ts'
import { networkCalls } from './network.ts'
import { processCalls } from './process.ts'
import { refusedCalls } from './refused.ts'
import { volumeCalls } from './volumes.ts'

/** Version of the protocol that Kata's agent reports. */
const protocolVersion = '0.0.1'

/**
 * Answered when something happens in a container: two or three for each process that runs. They must not keep out the calls that end
 * processes.
 */
const waiting = ['waitProcess', 'readStdout', 'readStderr', 'writeStdin', 'getOOMEvent'] as const

export function agentServices(tools: GuestTools): Service[] {
  return [
    service(HealthDefinition, {
      check: () => ({ status: HealthCheckResponse_ServingStatus.SERVING }),
      version: () => ({ grpcVersion: protocolVersion, agentVersion }),
    }),
    service(
      AgentServiceDefinition,
      {
        ...guestCalls(tools),
        ...containerCalls(tools.sandbox),
        ...processCalls(tools.sandbox),
        ...volumeCalls(tools.sandbox, tools.exitOf),
        ...refusedCalls(),
        ...networkCalls(),
      },
      waiting,
    ),
  ]
}
