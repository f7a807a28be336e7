/** Tells the death of a machine where the owner of a container looks: in events, and in the container's termination message. */
import { markOomKilled } from '../../bundle/oom-killed.ts'
import type { KataError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { outOfMemoryOf } from '../../sandbox/end/machine-end.ts'
import { deathLine, writeTerminationMessage } from '../../sandbox/end/termination-message.ts'
import { taskEvents } from './events.ts'
import type { EventPublisher } from './publisher.ts'
import type { Task } from './task.ts'

/** How long the client may take to hear of the want of memory, milliseconds: its reason for the ends that follow. */
const heardMs = 2000

/** To be called before the ends of the processes are told. Never throws: what cannot be told goes to the log. */
export async function tellDeath(
  tasks: readonly Task[],
  death: KataError,
  { events, log, clientReturns }: { events: EventPublisher; log: Logger; clientReturns: boolean },
): Promise<void> {
  const running = tasks.filter(({ init }) => init.state === 'running' || init.state === 'paused')
  for (const { id, bundle, terminationFile } of running) {
    if (outOfMemoryOf(death) !== undefined) events.publish(taskEvents.oom({ containerId: id }))
    try {
      // The command line tells by another code that the host had no memory.
      if (outOfMemoryOf(death) !== undefined && clientReturns) markOomKilled(bundle)
      if (terminationFile !== undefined) writeTerminationMessage(terminationFile, deathLine(death))
    } catch (error) {
      log.warn('a container’s files do not tell its end', { container: id, error })
    }
  }
  if (outOfMemoryOf(death) !== undefined) await events.flush(heardMs)
}
