/** The termination message of a container whose files are copied: what it writes to its own is brought to the host when it has ended. */
import type { AgentClient } from '../../agent/client.ts'
import type { Logger } from '../../log.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { terminationMount } from '../../oci/termination-mount.ts'
import { writeTerminationMessage } from '../end/termination-message.ts'

/** How long the end of the container may wait for it, milliseconds. */
const answerMs = 5000

/**
 * To be called between the end of the container's init and its removal. Never throws: a container has ended without its message,
 * too. Undefined when it has none to bring.
 */
export function messageBringer(
  containerId: string,
  spec: Pick<OciSpec, 'annotations' | 'mounts'>,
  { agent, log }: { agent: Pick<AgentClient, 'getDiagnosticData'>; log: Logger },
): (() => Promise<void>) | undefined {
  const path = terminationMount(spec)?.source
  if (path === undefined) return undefined
  return async () => {
    try {
      const { data } = await agent.getDiagnosticData(
        { logType: 'termination_log', containerId },
        { timeoutMs: answerMs },
      )
      if (data !== '') writeTerminationMessage(path, data)
    } catch (error) {
      log.warn('a termination message stays in the guest', { container: containerId, error })
    }
  }
}
