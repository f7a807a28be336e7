/** The sandbox's network: which one the container's spec asks for, its way into the machine, and what comes late. */
import { readFileSync } from 'node:fs'
import type { AgentClient } from '../agent/client.ts'
import type { Config } from '../config/config.ts'
import { KataError } from '../errors.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Logger } from '../log.ts'
import { type AttachedNetwork, attachNetwork } from '../network/attach.ts'
import type { Vmm } from '../vmm/vmm.ts'
import { tellNetwork } from './guest-network.ts'
import type { OciSpec } from './oci.ts'

export interface NetworkRequest {
  /** Path of the pod's network namespace; absent when the pod gets no network from outside. */
  readonly netns?: string
  /** Lines of the pod's resolv.conf, for the guest itself; containers have theirs as a mount. */
  readonly dns: readonly string[]
}

/** Longer ones are cut: the resolver itself reads a handful of lines. */
const maxResolvConfBytes = 64 * 1024

/**
 * A network namespace without a path is a new one, with nothing in it: the machine has that by itself.
 *
 * @throws KataError NETNS_HOST when the spec has no network namespace at all, which means that of the host.
 */
export function networkRequest(spec: OciSpec): NetworkRequest {
  const namespace = spec.linux?.namespaces?.find(({ type }) => type === 'network')
  if (namespace === undefined) throw new KataError('NETNS_HOST', { how: 'its spec has no network namespace' })
  const { path = '' } = namespace
  return { ...(path === '' ? {} : { netns: path }), dns: resolvConf(spec) }
}

function resolvConf({ mounts = [] }: OciSpec): string[] {
  const source = mounts.find(({ destination }) => destination === '/etc/resolv.conf')?.source
  if (source === undefined) return []
  try {
    const text = readFileSync(source, 'utf8').slice(0, maxResolvConfBytes)
    return text.split('\n').filter((line) => line !== '')
  } catch {
    // The mount itself fails in a moment, with a better reason.
    return []
  }
}

export class SandboxNetwork {
  readonly #parts: { ledger: Ledger; config: Config; log: Logger }
  readonly #netns: string | undefined
  readonly #known = new Set<number>()

  constructor(request: NetworkRequest, parts: { ledger: Ledger; config: Config; log: Logger }) {
    this.#parts = parts
    const { internetworkingModel } = parts.config.runtime
    this.#netns = internetworkingModel === 'none' ? undefined : request.netns
  }

  /** Cards for every interface that has none yet. @throws KataError, those of {@link attachNetwork}. */
  async attach(): Promise<AttachedNetwork> {
    if (this.#netns === undefined) return nothing
    const { ledger, config, log } = this.#parts
    const { disableVhostNet, networkQueues, defaultVcpus } = config.hypervisor
    const attached = await attachNetwork(ledger, {
      netns: this.#netns,
      queues: Math.min(networkQueues, Math.ceil(defaultVcpus)),
      vhost: !disableVhostNet,
      known: new Set(this.#known),
      log,
    })
    for (const { index } of attached.fresh) this.#known.add(index)
    return attached
  }

  /** For what the client put into the namespace after it had created the sandbox, as Docker does since version 26. */
  async attachLate(vmm: Vmm, agent: AgentClient): Promise<void> {
    using attached = await this.attach()
    for (const nic of attached.nics) await vmm.plugNic(nic)
    await tellNetwork(agent, attached.facts, attached.fresh)
  }
}

const nothing: AttachedNetwork = {
  facts: { interfaces: [], routes: [], neighbours: [] },
  fresh: [],
  nics: [],
  close: () => {},
  [Symbol.dispose]: () => {},
}
