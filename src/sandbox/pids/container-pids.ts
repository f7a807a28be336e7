/**
 * The processes of the host that clients know containers by. A pid namespace is asked for as /proc/PID/ns/pid, PID being the process
 * of the pod (`shareProcessNamespace`) or of one of its containers (`kubectl debug --target`). All containers run in one machine, so
 * one of them goes by the pod's process, and every other one with processes of its own by a stand-in.
 */
import { KataError } from '../../errors.ts'
import { askedPidNamespace } from '../../oci/guest/namespaces.ts'
import type { OciSpec } from '../../oci/spec.ts'

/** Fields of the agent's CreateContainer. */
export interface SharedProcesses {
  /** Whether the container takes part in the pod's processes. */
  readonly sandboxPidns: boolean
  /** Id of the container whose processes it takes part in; empty for none. */
  readonly pidnsContainer: string
}

/** Starts and ends the processes that stand for containers. */
export interface StandIns {
  start(containerId: string): Promise<{ readonly pid: number }>
  /** Does nothing for a container that has none. */
  end(containerId: string): Promise<void>
}

export interface ContainerPidsOptions {
  /** Id of the pod's own container. */
  readonly podId: string
  podPid(): number
  readonly standIns: StandIns
}

const ownProcesses: SharedProcesses = { sandboxPidns: false, pidnsContainer: '' }
const podProcesses: SharedProcesses = { sandboxPidns: true, pidnsContainer: '' }

export class ContainerPids {
  readonly #options: ContainerPidsOptions
  /** The process of each container that has its own; undefined while its stand-in is being started. */
  readonly #pids = new Map<string, number | undefined>()
  readonly #starting = new Map<string, Promise<unknown>>()

  constructor(options: ContainerPidsOptions) {
    this.#options = options
  }

  /** @throws KataError PID_NAMESPACE_FOREIGN for a path that is none of the pod's. */
  sharedWith(containerId: string, spec: OciSpec): SharedProcesses {
    const asked = askedPidNamespace(spec)
    if (asked === 'own') return ownProcesses
    if (asked === 'pod') return podProcesses
    const pid = Number(/^\/proc\/(\d+)\/ns\/pid$/.exec(asked.path)?.[1])
    const target = [...this.#pids].find(([, known]) => known === pid)
    if (target !== undefined) return { sandboxPidns: false, pidnsContainer: target[0] }
    if (pid === this.#options.podPid()) return podProcesses
    throw new KataError('PID_NAMESPACE_FOREIGN', { container: containerId, path: asked.path })
  }

  /** The process that a new container is known by. @throws what {@link StandIns.start} throws. */
  add(containerId: string, { sandboxPidns }: SharedProcesses): Promise<number> {
    const { podId, podPid, standIns } = this.#options
    const pid = podPid()
    if (containerId === podId || sandboxPidns) return Promise.resolve(pid)
    const isTaken = [...this.#pids.values()].includes(pid)
    this.#pids.set(containerId, isTaken ? undefined : pid)
    if (!isTaken) return Promise.resolve(pid)
    const started = standIns.start(containerId).then((standIn) => {
      this.#pids.set(containerId, standIn.pid)
      return standIn.pid
    })
    this.#starting.set(
      containerId,
      started.catch(() => {}),
    )
    return started
  }

  /** Ends its stand-in, one that is being started included. */
  async remove(containerId: string): Promise<void> {
    await this.#starting.get(containerId)
    this.#starting.delete(containerId)
    if (this.#pids.delete(containerId)) await this.#options.standIns.end(containerId)
  }
}
