/** A container in the sandbox's machine, driven through the guest agent. */
import type { AgentClient } from '../agent/client.ts'
import { toAgentProcess, toAgentResources } from '../agent/oci-spec.ts'
import type { StatsContainerResponse } from '../protocol/generated/agent.ts'
import { AgentProcess } from './agent-process.ts'
import type { GuestProcess } from './guest-process.ts'
import { withoutHostNumbers, withoutLabels } from './host-only.ts'

export class Container {
  readonly id: string
  readonly init: GuestProcess
  readonly #agent: AgentClient
  readonly #unshare: () => Promise<void>

  /** `unshare` removes what the container has in the share, once the guest has let go of it. */
  constructor(id: string, agent: AgentClient, unshare: () => Promise<void>) {
    this.id = id
    this.#agent = agent
    this.#unshare = unshare
    this.init = new AgentProcess(agent, { containerId: id, execId: '' }, () =>
      agent.startContainer({ containerId: id }),
    )
  }

  /** Another process in the container; it runs once it is started. `process` is the JSON of an OCI process. */
  exec(execId: string, process: Record<string, unknown>): GuestProcess {
    const ids = { containerId: this.id, execId }
    return new AgentProcess(this.#agent, ids, () =>
      this.#agent.execProcess({ ...ids, process: toAgentProcess(withoutLabels(process)) }),
    )
  }

  /** Signals every process of the container. */
  async signalAll(signal: number): Promise<void> {
    await this.#agent.signalProcess({ containerId: this.id, execId: '', signal })
  }

  async pause(): Promise<void> {
    await this.#agent.pauseContainer({ containerId: this.id })
  }

  async resume(): Promise<void> {
    await this.#agent.resumeContainer({ containerId: this.id })
  }

  /** `resources` is the JSON of OCI linux.resources. */
  async update(resources: Record<string, unknown>): Promise<void> {
    await this.#agent.updateContainer({
      containerId: this.id,
      resources: toAgentResources(withoutHostNumbers(resources)),
    })
  }

  stats(): Promise<StatsContainerResponse> {
    return this.#agent.statsContainer({ containerId: this.id })
  }

  /** Removes the container from the guest and then from the share. */
  async remove(): Promise<void> {
    await this.#agent.removeContainer({ containerId: this.id, timeout: 0 })
    await this.#unshare()
  }
}
