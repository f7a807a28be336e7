/** Events of tasks, in containerd's form. */
import * as events from '../../protocol/generated/containerd/task_events.ts'
import type { Any } from '../../protocol/generated/google/protobuf/any.ts'

export interface TaskEvent {
  readonly topic: string
  readonly event: Any
}

const create = event('create', 'TaskCreate', events.TaskCreate)
const start = event('start', 'TaskStart', events.TaskStart)
const exit = event('exit', 'TaskExit', events.TaskExit)
const remove = event('delete', 'TaskDelete', events.TaskDelete)
const execAdded = event('exec-added', 'TaskExecAdded', events.TaskExecAdded)
const execStarted = event('exec-started', 'TaskExecStarted', events.TaskExecStarted)
const paused = event('paused', 'TaskPaused', events.TaskPaused)
const resumed = event('resumed', 'TaskResumed', events.TaskResumed)
const oom = event('oom', 'TaskOOM', events.TaskOOM)

/**
 * Events by kind. containerd relies on their order: create, start, exit, delete; exec-added, exec-started, exit; oom before exit. The init
 * process's exit comes after those of the execs, as with runc's shim, because dockerd forgets the execs of a container that has ended.
 */
export const taskEvents = {
  create,
  start,
  exit,
  delete: remove,
  execAdded,
  execStarted,
  paused,
  resumed,
  oom,
}

/** Makes an event. The type's URL is the bare message name, because containerd uses no host in front of it. */
function event<Message>(
  topic: string,
  name: string,
  type: { encode(message: Message): { finish(): Uint8Array } },
): (message: Message) => TaskEvent {
  return (message) => ({
    topic: `/tasks/${topic}`,
    event: { typeUrl: `containerd.events.${name}`, value: type.encode(message).finish() },
  })
}
