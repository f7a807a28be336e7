/** What a sandbox is created from. */
import type { Config } from '../../config/config.ts'
import type { Failpoints } from '../../ledger/failpoints.ts'
import type { Logger } from '../../log.ts'
import type { ContainerRequest } from '../container-request.ts'
import type { NetworkRequest } from '../network/network.ts'

export interface SandboxRequest {
  readonly id: string
  readonly namespace: string
  /** Usually `/run/kata-ts`. */
  readonly runDir: string
  readonly hostname: string
  /** Size of the pod's /dev/shm. */
  readonly shmBytes: number
  readonly network: NetworkRequest
  /** The first container: the pod's sandbox container, or the only one. */
  readonly container: ContainerRequest
  readonly config: Config
  readonly log: Logger
  /** Aborts the start. */
  readonly signal: AbortSignal
  /** Faults that a test injects. */
  readonly failpoints?: Failpoints | undefined
}
