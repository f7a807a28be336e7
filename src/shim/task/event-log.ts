/** An event publisher for a client that keeps a log of events, where no daemon listens. */
import type { EventLogWishes } from '../../bundle/event-log.ts'
import * as events from '../../protocol/generated/containerd/task_events.ts'
import { appendEvent } from '../../sandbox/records/event-log.ts'
import type { TaskEvent } from './events.ts'
import type { EventPublisher } from './publisher.ts'

/** An entry of the log, in docker's words. The client itself writes `create` and `destroy`. */
interface Noted {
  readonly id: string
  readonly action: string
  readonly attributes?: Readonly<Record<string, string>>
}

type Value = Uint8Array

/**
 * Prefix of the ids that the command line gives to health checks. Their events are left out: a check runs every few seconds, and only its result
 * matters.
 */
const healthCheckPrefix = 'health-'

const byTopic: Readonly<Record<string, (value: Value) => Noted>> = {
  '/tasks/start': (value) => ({ id: events.TaskStart.decode(value).containerId, action: 'start' }),
  '/tasks/exit'(value) {
    const { containerId: id, id: process, exitStatus } = events.TaskExit.decode(value)
    const attributes = { exitCode: String(exitStatus) }
    return process === id
      ? { id, action: 'die', attributes }
      : { id, action: 'exec_die', attributes: { ...attributes, execID: process } }
  },
  '/tasks/exec-added'(value) {
    const { containerId: id, execId: execID } = events.TaskExecAdded.decode(value)
    return { id, action: 'exec_create', attributes: { execID } }
  },
  '/tasks/exec-started'(value) {
    const { containerId: id, execId: execID } = events.TaskExecStarted.decode(value)
    return { id, action: 'exec_start', attributes: { execID } }
  },
  '/tasks/paused': (value) => ({ id: events.TaskPaused.decode(value).containerId, action: 'pause' }),
  '/tasks/resumed': (value) => ({ id: events.TaskResumed.decode(value).containerId, action: 'unpause' }),
  '/tasks/oom': (value) => ({ id: events.TaskOOM.decode(value).containerId, action: 'oom' }),
}

export function logEvents(namespace: string, { stateDir, attributes }: EventLogWishes): EventPublisher {
  return {
    publish({ topic, event }: TaskEvent) {
      const noted = Object.hasOwn(byTopic, topic) ? byTopic[topic]!(event.value) : undefined
      if (noted === undefined) return
      const { id, action, attributes: more } = noted
      if (more?.execID?.startsWith(healthCheckPrefix)) return
      appendEvent(stateDir, {
        type: 'container',
        action,
        namespace,
        id,
        attributes: { ...attributes, ...more },
      })
    },
    flush: async () => {},
  }
}
