/** The termination message of a container whose files are copied: its file is brought to the host once the container has ended. */
import type { AgentClient } from '../../agent/client.ts'
import type { Logger } from '../../log.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { terminationMount } from '../../oci/termination-mount.ts'
import { writeTerminationMessage } from '../end/termination-message.ts'

/** How long the container's end may wait for the message, milliseconds. */
const answerMs = 5000

/**
 * Call it between the end of the container's init process and its removal. Never throws: a container ends without its message,
 * too. Undefined when there is no message to bring.
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
