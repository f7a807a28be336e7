/**
 * A host for unit tests of a start. The ledger is a real one, in a directory of its own, and what is taken is only noted; descriptors
 * are real and counted; VMM and agent are doubles. Each stage can fail, or be given up, at its step.
 */
import { closeSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { AgentConnection } from '../../../agent/connection.ts'
import { startKataAgent } from '../../../agent/kata-agent.double.ts'
import type { HypervisorConfig } from '../../../config/config.ts'
import { KataError } from '../../../errors.ts'
import { Ledger, type ResourceKind } from '../../../ledger/ledger.ts'
import { CgroupStats } from '../../../protocol/generated/agent.ts'
import type { ShareDaemon } from '../../../sharing/virtiofsd/share-daemon.ts'
import type { VfioHost } from '../../devices/vfio-devices.ts'
import type { SandboxNetwork } from '../../network/network.ts'
import type { SandboxPaths } from '../../records/paths.ts'
import type { ServedShare, ShareDevice } from '../../storage/start-share.ts'
import { treeResource } from '../../storage/tree.ts'
import type { SandboxCgroups, StartHost } from '../host.ts'
import type { SandboxRequest } from '../request.ts'
import { DescriptorCount } from './descriptors.double.ts'
import { someRequest, vfioDevice } from './request.double.ts'

import { type VmmCall, VmmDouble } from './vmm.double.ts'

/** Everything that a start asks of its host, in the order in which it does. `verify` is in the background of what follows it. */
export const steps = [
  ...['claim', 'sweep', 'assets', 'verify', 'accelerator', 'cgroups', 'user', 'network', 'share'],
  ...['nics', 'tpm', 'vsock', 'vfio', 'connect-share', 'vmm', 'connect-agent', 'boot', 'answer', 'set-up'],
] as const

export type Step = (typeof steps)[number]

const held = ['cgroups', 'user', 'network', 'share', 'nics', 'tpm', 'vmm'] as const
type Held = (typeof held)[number]

const never = new Promise<never>(() => {})

export class HostDouble implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'kata-ts-start-'))
  /** What happened, in order: steps, `release KIND`, and what the VMM was told besides. */
  readonly log: string[] = []
  readonly vmm: VmmDouble
  readonly host: StartHost
  readonly giveUp = new AbortController()
  readonly kata = startKataAgent()
  /** Called at each step, awaited where the step waits. What it throws, the step throws. `leaving` ends a step in the background. */
  onStep: (step: Step, leaving?: AbortSignal) => unknown = () => {}
  /** Called at each release, which throws what this throws. */
  onRelease: (kind: string) => void = () => {}
  /** What the share says to a container that it was not made for. */
  onFit: () => void = () => {}
  /** Runs when processes that were there before are moved into the cgroups. */
  onMove: () => void = () => {}
  /** The guest does not say that it is there. */
  isSilent = false
  /** What the machine was made from. */
  made: Parameters<StartHost['createVmm']>[0] | undefined
  #paths: SandboxPaths | undefined
  readonly #devices = new DescriptorCount(this.directory)

  constructor() {
    mkdirSync(join(this.directory, 'bundle'))
    this.vmm = new VmmDouble((call) => this.#onVmm(call))
    this.host = this.#makeHost()
  }

  /** Its sandbox's. */
  get paths(): SandboxPaths {
    return this.#paths!
  }

  /** Descriptors of this host that are open now. */
  get open(): number {
    return this.#devices.open
  }

  request(changes: Partial<HypervisorConfig> = {}): SandboxRequest {
    return someRequest(this.directory, this.giveUp.signal, changes)
  }

  [Symbol.dispose](): void {
    this.kata[Symbol.dispose]()
    rmSync(this.directory, { recursive: true, force: true })
  }

  #step(step: Step, leaving?: AbortSignal): unknown {
    this.log.push(step)
    return this.onStep(step, leaving)
  }

  /** The process is held by the ledger, as with a real one. */
  #onVmm(call: VmmCall): unknown {
    if (call === 'start') return this.#take(this.made!.ledger, 'vmm', () => {})
    return call === 'boot' ? this.#step('boot') : this.log.push(`${call} vmm`)
  }

  /** A step that takes something. */
  async #take<T>(ledger: Ledger, kind: Held, make: () => T): Promise<T> {
    return await ledger.take(kindOf(kind), {}, async () => {
      await this.#step(kind)
      return make()
    })
  }

  #kinds(): ResourceKind<never>[] {
    return [...held, 'owner', 'vfio', 'disk'].map((kind) => ({
      kind,
      release: () => {
        this.onRelease(kind)
        this.log.push(`release ${kind}`)
      },
    }))
  }

  #makeHost(): StartHost {
    return {
      claimStateDir: ({ stateDir }) => {
        this.#step('claim')
        mkdirSync(stateDir, { recursive: true })
      },
      openLedger: (paths, log, failpoints) => {
        this.#paths = paths
        return new Ledger(paths.ledger, [...this.#kinds(), treeResource], log, failpoints)
      },
      sweepDisks: () => {
        this.#step('sweep')
        return []
      },
      resolveAssets: () => {
        this.#step('assets')
        return {
          kernel: '/kernel',
          initrd: '/initrd',
          verify: async (leaving) => void (await this.#step('verify', leaving)),
        }
      },
      chooseAccelerator: async () => {
        await this.#step('accelerator')
        return { accelerator: 'kvm', reason: 'a guest booted with it' }
      },
      findTemplate: () => undefined,
      enterCgroups: (ledger) => this.#take(ledger, 'cgroups', () => this.#cgroups()),
      takeUser: (ledger) => this.#take(ledger, 'user', () => ({ ...someUser, privateDir: this.directory })),
      startShare: (ledger) => this.#take(ledger, 'share', () => this.#share()),
      landlockProblem: async () => undefined,
      createNetwork: (_request, { ledger }) => this.#take(ledger, 'network', () => this.#network(ledger)),
      takeTpm: (ledger) =>
        this.#take(ledger, 'tpm', () => ({
          socket: this.#devices.openOne(),
          ref: { pid: 1, startTime: '1' },
        })),
      openVsock: () => {
        this.#step('vsock')
        return { fd: this.#devices.openOne(), cid: 3 }
      },
      vfio: () => this.#vfio(),
      createVmm: async (options) => {
        this.made = options
        return this.vmm
      },
      connectAgent: async () => {
        await this.#step('connect-agent')
        return this.#agent()
      },
    }
  }

  #cgroups(): SandboxCgroups {
    return {
      explain: (work) => work,
      outOfMemory: () => undefined,
      allowMemory: () => {},
      confine: () => {},
      moveIn: async (pids) => {
        this.log.push(`move ${pids}`)
        this.onMove()
      },
      podLimits: () => ({}),
      usage: () => CgroupStats.fromPartial({}),
      placeVmm: async (pid) => void this.log.push(`place ${pid}, ${this.open} open`),
      placeVcpus: async (pid) => void this.log.push(`place processors of ${pid}`),
    }
  }

  #share(): ServedShare {
    const connect = () => {
      this.#step('connect-share')
      return this.#devices.openOne()
    }
    const daemon = { connect, processes: [{ pid: 8 }, { pid: 9 }], idmap: { first: 70_000 } }
    const first = { tag: 'kataShared', guestPath: '/shared', daemon: daemon as unknown as ShareDaemon }
    return {
      share: { exited: never } as unknown as ServedShare['share'],
      first: first satisfies ShareDevice,
      volumes: undefined,
      rootBecause: undefined,
      requireFit: async () => this.onFit(),
    }
  }

  #network(ledger: Ledger): SandboxNetwork {
    const attach = () =>
      this.#take(ledger, 'nics', () => {
        const opened = new DisposableStack()
        const taps = [opened.adopt(this.#devices.openOne(), (fd) => closeSync(fd))]
        return {
          nics: [{ id: 'net0', mac: '02:00:00:00:00:01', mtu: 1500, taps }],
          links: ['eth0'],
          fresh: [],
          facts: { interfaces: [], routes: [], neighbours: [] },
          close: () => opened.dispose(),
          [Symbol.dispose]: () => opened.dispose(),
        }
      })
    return { attach, placeOf: () => undefined, lookAfter: () => {} } as unknown as SandboxNetwork
  }

  #vfio(): VfioHost {
    const found = [{ address: '0000:1a:00.0', cdev: 'vfio0', numbers: { major: 511, minor: 0 } }]
    return {
      find: ({ major }) => (major === vfioDevice.major ? found : undefined),
      isCommon: () => false,
      holder: () => undefined,
      openIommu: () => this.#devices.openOne(),
      open: () => {
        this.#step('vfio')
        return this.#devices.openOne()
      },
    }
  }

  #agent(): AgentConnection {
    const closed = Promise.withResolvers<KataError>()
    const { agent } = this.kata
    const createSandbox: typeof agent.createSandbox = async (...args) => {
      await this.#step('set-up')
      return agent.createSandbox(...args)
    }
    const ours = {
      warmUp: async () => void this.log.push('warm-up'),
      loadDrivers: async () => void this.log.push('load-drivers'),
      clearFreeMemory: async () => void this.log.push('clear-memory'),
    }
    const connection = {
      agent: { ...agent, createSandbox, ...ours },
      health: { check: () => (this.isSilent ? Promise.reject(new Error('no answer')) : Promise.resolve({})) },
      closed: closed.promise,
      close: () => closed.resolve(new KataError('AGENT_DIED', { endpoint: 'port', reason: 'closed by us' })),
      explainLossBy: () => {},
      waitReady: async () => void (await this.#step('answer')),
    }
    return connection as unknown as AgentConnection
  }
}

const kindOf = (kind: Held): ResourceKind<object> => ({ kind, release: () => {} })

const someUser = {
  identity: { name: 'kata-7', uid: 7, gid: 7, groups: [108] },
  ids: { first: 70_000, count: 65_536 },
}
