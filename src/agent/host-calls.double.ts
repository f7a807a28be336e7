/** The calls of a guest's agent that the host makes, for tests that go through all of them. */
import type { AgentServiceDefinition } from '../protocol/generated/agent.ts'

/** A method of `grpc.AgentService`, or `check` of `grpc.Health`. */
export type HostCall = keyof (typeof AgentServiceDefinition)['methods'] | 'check'

export const hostCalls = [
  ...(['check', 'setGuestDateTime', 'reseedRandomDev', 'getGuestDetails', 'onlineCPUMem'] as const),
  ...(['updateInterface', 'updateRoutes', 'addARPNeighbors'] as const),
  ...([
    'warmUp',
    'loadDrivers',
    'clearFreeMemory',
    'syncFileSystems',
    'abortConnections',
    'reclaimMemory',
    'createSandbox',
    'destroySandbox',
    'getOOMEvent',
    'getMetrics',
    'copyFile',
    'getVolumeStats',
    'resizeVolume',
  ] as const),
  ...(['createContainer', 'startContainer', 'removeContainer', 'updateContainer'] as const),
  ...(['pauseContainer', 'resumeContainer', 'statsContainer', 'getDiagnosticData'] as const),
  ...(['execProcess', 'signalProcess', 'waitProcess', 'ttyWinResize'] as const),
  ...(['readStdout', 'readStderr', 'writeStdin', 'closeStdin'] as const),
] as const satisfies readonly HostCall[]
