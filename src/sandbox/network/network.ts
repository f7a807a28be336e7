/** The sandbox's network: which one the container's spec asks for, its way into the machine, and what comes late. */
import { closeSync, constants, openSync, readSync } from 'node:fs'
import type { AgentClient } from '../../agent/client.ts'
import { type NetworkWishes, readNetworkWishes } from '../../bundle/network.ts'
import type { Config } from '../../config/config.ts'
import { KataError } from '../../errors.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { closing } from '../../linux/files/open-at.ts'
import type { Logger } from '../../log.ts'
import { type AttachedNetwork, attachNetwork } from '../../network/attach.ts'
import type { Localhost } from '../../network/facts.ts'
import { mountCaller } from '../../oci/caller-mount.ts'
import { type NetworkHooks, networkHooks } from '../../oci/hooks.ts'
import type { OciSpec } from '../../oci/spec.ts'
import type { Identity } from '../../rootless/jail/launch-spec.ts'
import { openSource } from '../../sharing/source.ts'
import { serially } from '../../time.ts'
import { vmmFeatures } from '../../vmm/create.ts'
import type { Vmm, VmSpec } from '../../vmm/vmm.ts'
import { tellNetwork } from '../guest/guest-network.ts'
import { cardQueues } from './card-queues.ts'
import type { ContainerNetwork } from './container-network.ts'
import { holdNetns } from './netns-holder.ts'
import { type HookState, poststopResource, runHooks } from './network-hooks.ts'

export interface NetworkRequest {
  /** Path of the pod's network namespace; absent when it is a new one. */
  readonly netns?: string
  /** Present when the client fills a new namespace through the process in Create's answer: by hooks, or before the start. */
  readonly filled?: { readonly hooks: NetworkHooks; readonly state: Omit<HookState, 'pid' | 'status'> }
  /** What the command line asks for: a network that we make. */
  readonly wishes?: NetworkWishes
  /** Lines of the pod's resolv.conf, for the guest itself; containers have theirs as a mount. */
  readonly dns: readonly string[]
}

/** Longer files are cut: the resolver reads only a handful of lines. */
const maxResolvConfBytes = 64 * 1024

/** containerd's namespace of Docker, whose later versions fill a new network namespace between Create and Start. */
const docker = 'moby'

/**
 * A network namespace without a path is new and empty. The machine has that by itself, unless the client is going to fill
 * the namespace. `client` is the client's namespace in containerd.
 *
 * @throws KataError NETNS_HOST when the spec has no network namespace at all, which means the host's; BUNDLE_FILE_INVALID.
 */
export function networkRequest(
  spec: OciSpec,
  { client, id, bundle }: { client: string; id: string; bundle: string },
): NetworkRequest {
  const namespace = spec.linux?.namespaces?.find(({ type }) => type === 'network')
  if (namespace === undefined) throw new KataError('NETNS_HOST', { how: 'its spec has no network namespace' })
  const dns = resolvConf(spec, id)
  const wishes = readNetworkWishes(bundle)
  if (wishes !== undefined) return { wishes, dns }
  if (namespace.path) return { netns: namespace.path, dns }
  const hooks = networkHooks(spec)
  if (hooks.create.length === 0 && client !== docker) return { dns }
  const { ociVersion = '1.0.2', annotations = {} } = spec
  return { dns, filled: { hooks, state: { ociVersion, id, bundle, annotations } } }
}

function resolvConf({ mounts = [] }: OciSpec, container: string): string[] {
  const mount = mounts.find(({ destination }) => destination === '/etc/resolv.conf')
  // What a user mounts there is the container's alone: root reads no file for him.
  if (mount?.source === undefined || mountCaller(mount) !== undefined) return []
  try {
    return startOf(mount.source, container)
      .split('\n')
      .filter((line) => line !== '')
  } catch {
    // The mount itself fails in a moment, with a better reason.
    return []
  }
}

/** The beginning of a file, as the mount will find it. A FIFO would make all wait, and a device has no end. */
function startOf(path: string, container: string): string {
  const source = openSource(path, container)
  try {
    const text = Buffer.alloc(maxResolvConfBytes)
    const read = (fd: number) => readSync(fd, text, 0, text.length, 0)
    const length = closing(openSync(`/proc/self/fd/${source.fd}`, constants.O_RDONLY), read)
    return text.toString('utf8', 0, length)
  } finally {
    closeSync(source.fd)
  }
}

interface NetworkParts {
  readonly ledger: Ledger
  readonly config: Config
  readonly log: Logger
}

/** What a network is made with. */
export interface NetworkMaking extends NetworkParts {
  readonly id: string
  readonly namespace: string
  readonly runDir: string
  readonly stateDir: string
  /** The VMM's user, as whom a client's namespace is held, too. */
  readonly identity: Identity
  readonly signal: AbortSignal
}

export class SandboxNetwork {
  /** Whether kata-ts makes it, and could make it again. */
  readonly isOurs: boolean
  readonly #parts: NetworkParts
  /** The process that holds a network namespace for a client that fills it late. */
  readonly holder: { readonly pid: number } | undefined
  readonly #netns: string | undefined
  readonly #ours: ContainerNetwork | undefined
  readonly #known = new Set<number>()
  #localhost: Localhost | undefined
  readonly #oneLate = serially()
  /** By what a late network failed that had come in part. */
  #failed: { readonly error: unknown } | undefined

  private constructor(
    parts: NetworkParts,
    netns: string | undefined,
    { holder, ours }: { holder?: { pid: number }; ours?: ContainerNetwork } = {},
  ) {
    this.#parts = parts
    this.#netns = netns
    this.holder = holder
    this.#ours = ours
    this.isOurs = ours !== undefined
  }

  /** @throws KataError HOOK_FAILED, those of {@link holdNetns} and of taking a network of ours (container-network.ts). */
  static async create(
    { netns, filled, wishes }: NetworkRequest,
    parts: NetworkMaking,
  ): Promise<SandboxNetwork> {
    const { ledger, config } = parts
    if (wishes !== undefined) {
      // A pod of Kubernetes has a network of its own, and its shim does not hold the code for ours.
      const { takeContainerNetwork } = await import('./container-network.ts')
      const ours = await takeContainerNetwork(ledger, { ...parts, wishes })
      return new SandboxNetwork(parts, ours.netns, { ours })
    }
    if (config.runtime.internetworkingModel === 'none') return new SandboxNetwork(parts, undefined)
    if (filled === undefined) return new SandboxNetwork(parts, netns)
    const holder = await holdNetns(ledger, parts)
    const { create, poststop } = filled.hooks
    const state: HookState = { ...filled.state, status: 'creating', pid: holder.pid }
    await ledger.take(poststopResource, { hooks: poststop, state }, () =>
      runHooks(create, state, parts.signal),
    )
    return new SandboxNetwork(parts, `/proc/${holder.pid}/ns/net`, { holder })
  }

  /** Tells what a network of ours loses, and mends what can be mended, until `signal` fires. Resolves when nothing is being mended. */
  async lookAfter(signal: AbortSignal): Promise<void> {
    await this.#ours?.lookAfter(this.#parts.log, signal)
  }

  /** Makes cards for every interface that has none yet, for the VMM of user `uid`. @throws KataError, those of {@link attachNetwork}. */
  async attach(uid: number): Promise<AttachedNetwork> {
    if (this.#netns === undefined) return nothing
    const { ledger, config, log } = this.#parts
    const { disableVhostNet } = config.hypervisor
    const { rxRateLimiterMaxRate: receive, txRateLimiterMaxRate: send } = config.hypervisor
    const attached = await attachNetwork(ledger, {
      netns: this.#netns,
      queues: cardQueues(config.hypervisor),
      vhost: !disableVhostNet,
      limits: { receive, send },
      known: new Set(this.#known),
      localhost: this.#localhost,
      owner: vmmFeatures(config).nics === 'name' ? uid : undefined,
      log,
    })
    for (const { index } of attached.fresh) this.#known.add(index)
    this.#localhost = attached.facts.localhost
    return attached
  }

  /** The namespace in which a VMM that opens taps by name has to start; undefined for other VMMs. */
  placeOf({ nics, links }: AttachedNetwork): VmSpec['netns'] {
    const isByName = nics.some(({ tap }) => tap !== undefined)
    return isByName && this.#netns !== undefined ? { path: this.#netns, interfaces: links } : undefined
  }

  /**
   * Attaches what the client put into the namespace after it had created the sandbox, as Docker does since version 26.
   *
   * @throws KataError, those of {@link attachNetwork} and of the VMM; TtrpcError with the guest's reason. What could not be attached is not tried
   *   again: each later call fails as the first one did, so that nothing runs without its network.
   */
  attachLate(vmm: Pick<Vmm, 'plugNic'>, agent: AgentClient, uid: number): Promise<void> {
    // A second start would find nothing new, and not wait for the first.
    return this.#oneLate(async () => {
      if (this.#failed !== undefined) throw this.#failed.error
      using attached = await this.attach(uid)
      try {
        for (const nic of attached.nics) await vmm.plugNic(nic)
        await tellNetwork(agent, attached.facts, { fresh: attached.fresh })
      } catch (error) {
        this.#failed = { error }
        throw error
      }
    })
  }
}

const nothing: AttachedNetwork = {
  links: [],
  facts: { interfaces: [], routes: [], neighbours: [] },
  fresh: [],
  nics: [],
  close: () => {},
  [Symbol.dispose]: () => {},
}
