/** The present status of a container, asked from its shim with a short deadline. */
import { KataError } from '../../errors.ts'
import { bootId, mayBeAlive } from '../../linux/processes/proc.ts'
import { isListening } from '../../linux/sockets/socket.ts'
import { Status } from '../../protocol/generated/containerd/types.ts'
import type { ContainerRecord } from './record.ts'
import { answerStatus, TaskClient } from './task.ts'

/**
 * `suspended`: the machine is saved. `restarting`: the container has ended, and its policy restarts it. `dead`: the shim has gone without
 * cleaning up. `unresponsive`: the shim runs and does not answer.
 */
export type LiveStatus =
  | 'creating'
  | 'created'
  | 'running'
  | 'paused'
  | 'restarting'
  | 'suspended'
  | 'stopped'
  | 'dead'
  | 'unresponsive'

export interface Observation {
  readonly status: LiveStatus
  /** Whether the container may still hold something that its shim or `delete` must release. */
  readonly held: boolean
  readonly exitCode?: number
  readonly shimPid?: number
  readonly vmmPid?: number
}

const askTimeoutMs = 2000

/** Asks the shim, unless the record is enough. Never throws: a shim that does not answer has a status of its own. */
export async function observe(record: ContainerRecord): Promise<Observation> {
  const { status, exitCode, address, owner } = record
  if (status === 'created' || status === 'suspended') return { status, held: false }
  const ownerLives = owner !== undefined && mayBeAlive(owner)
  if (status === 'stopped') {
    const isPaused = record.restartsAt !== undefined && ownerLives
    const known = exitCode === undefined ? {} : { exitCode }
    return { status: isPaused ? 'restarting' : status, held: false, ...known }
  }
  if (record.bootId !== bootId()) return { status: 'dead', held: true }
  if (address === undefined) return { status: ownerLives ? 'creating' : 'dead', held: true }
  return ask(address, record, ownerLives)
}

async function ask(
  address: string,
  { namespace, id }: ContainerRecord,
  ownerLives: boolean,
): Promise<Observation> {
  let task: TaskClient | undefined
  try {
    task = await TaskClient.connect(address, namespace, id)
    const [state, info] = await Promise.all([task.state(askTimeoutMs), task.connectInfo(askTimeoutMs)])
    const status = statusName(state.status)
    const known = { status, held: true, shimPid: info.shimPid }
    return status === 'stopped'
      ? { ...known, exitCode: state.exitStatus }
      : { ...known, vmmPid: info.taskPid }
  } catch (error) {
    return { status: withoutAnswer(error, address, ownerLives), held: true }
  } finally {
    task?.close()
  }
}

function statusName(status: Status): LiveStatus {
  if (status === Status.RUNNING) return 'running'
  if (status === Status.PAUSED || status === Status.PAUSING) return 'paused'
  return status === Status.STOPPED ? 'stopped' : 'created'
}

function withoutAnswer(error: unknown, address: string, ownerLives: boolean): LiveStatus {
  const status = answerStatus(error)
  if (status === 'deadline_exceeded') return 'unresponsive'
  // The shim does not know the task until it is created.
  if (status === 'not_found' && ownerLives) return 'creating'
  // The kernel refuses a connection to a full backlog as it does for a dead socket. A `dead` container may be removed, so the two must be told
  // apart.
  const isRefused = error instanceof KataError && error.code === 'SHIM_UNREACHABLE'
  if (isRefused && isListening(address.replace(/^unix:\/\//, ''))) return 'unresponsive'
  return 'dead'
}
