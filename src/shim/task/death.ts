/** Reports the death of a machine where the owner of a container looks: in events, and in the container's termination message. */
import { markOomKilled } from '../../bundle/oom-killed.ts'
import type { KataError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { outOfMemoryOf } from '../../sandbox/end/machine-end.ts'
import { deathLine, writeTerminationMessage } from '../../sandbox/end/termination-message.ts'
import { taskEvents } from './events.ts'
import type { EventPublisher } from './publisher.ts'
import type { Task } from './task.ts'

/** Most time to deliver the out-of-memory event, milliseconds. It has to arrive before the exits that it explains. */
const heardMs = 2000

/** To be called before the ends of the processes are reported. Never throws: failures go to the log. */
export async function tellDeath(
  tasks: readonly Task[],
  death: KataError,
  { events, log, clientReturns }: { events: EventPublisher; log: Logger; clientReturns: boolean },
): Promise<void> {
  const running = tasks.filter(({ init }) => init.state === 'running' || init.state === 'paused')
  for (const { id, bundle, terminationFile } of running) {
    if (outOfMemoryOf(death) !== undefined) events.publish(taskEvents.oom({ containerId: id }))
    try {
      // The command line has an exit code of its own for a host without memory.
      if (outOfMemoryOf(death) !== undefined && clientReturns) markOomKilled(bundle)
      if (terminationFile !== undefined) writeTerminationMessage(terminationFile, deathLine(death))
    } catch (error) {
      log.warn('a container’s files do not tell its end', { container: id, error })
    }
  }
  if (outOfMemoryOf(death) !== undefined) await events.flush(heardMs)
}
