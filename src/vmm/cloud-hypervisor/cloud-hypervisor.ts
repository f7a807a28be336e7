/** Cloud Hypervisor behind the {@link Vmm} interface. */
import { closeSync, rmSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import type { Socket } from 'bun'
import { KataError } from '../../errors.ts'
import { adoptSocket } from '../../linux/sockets/adopt-socket.ts'
import type { AgentEndpoint } from '../../protocol/agent-endpoint.ts'
import { agentPort } from '../../protocol/agent-endpoint.ts'
import type { LaunchSpec } from '../../rootless/jail/launch-spec.ts'
import type { ExpectedPosture } from '../../rootless/posture/posture-check.ts'
import { openDiskImage } from '../host/disk-image.ts'
import { DiskNodes } from '../host/disk-nodes.ts'
import { hugePageBytes, promiseHugePages } from '../host/huge-pages.ts'
import { ApiClient, type CallOptions } from '../http/api.ts'
import { answerMs, quitMs } from '../machine/deadlines.ts'
import type { DiskAddress, DiskAttachment } from '../machine/disk.ts'
import { configuredLimiter } from '../machine/disk-limit.ts'
import { asObject, asText } from '../monitor/answers.ts'
import { bareVersion, type ProgramVersion, programNeeds } from '../program.ts'
import type { MachineSize, NicAttachment, Vmm, VmmFeatures, VmmOptions } from '../vmm.ts'
import { VmmDriver } from '../vmm-driver.ts'
import { Disks } from './api/disks.ts'
import { EventReader, type MonitorEvent } from './api/events.ts'
import { type PromiseMemory, Resizer } from './api/resize.ts'
import { type Ends, openChannels, removeApiSocket } from './channels.ts'
import { cloudHypervisor } from './configuration/configuration.ts'
import { runningPosture, waitingPosture } from './posture.ts'
import { clhArguments, fdRoles } from './program.ts'
import { clhApi } from './settings/dialect.ts'
import { netConfig } from './settings/nic.ts'
import {
  inJail,
  jailPaths,
  type MachineSettings,
  nodeDirs,
  vmConfig,
  vsockName,
} from './settings/vm-config.ts'
import { clhSyscalls } from './syscalls.ts'

export const clhFeatures: VmmFeatures = {
  ...{ share: 'path', nics: 'descriptor', ownSockets: true, ownKvmNode: false },
}

/** A machine that is described but not started. @throws nothing; what is wrong with the spec shows at start. */
export function createCloudHypervisor(options: VmmOptions): Vmm {
  return new CloudHypervisor(options)
}

export class CloudHypervisor extends VmmDriver<ApiClient> implements Vmm {
  readonly agent: AgentEndpoint
  readonly offlineVcpus = 0
  readonly #settings: MachineSettings
  #events: Socket<undefined> | undefined
  #waiting: ExpectedPosture | undefined
  #plugged: Plugged | undefined

  constructor(options: VmmOptions) {
    super(options, programNeeds(cloudHypervisor, options.config.hypervisor))
    const { spec, config } = options
    const {
      entropySource,
      enableHugepages,
      enableMemPrealloc,
      reclaimGuestFreedMemory,
      enableCoreScheduling,
    } = config.hypervisor
    this.#settings = {
      ...{ entropySource, enableMemPrealloc, reclaimGuestFreedMemory, enableCoreScheduling },
      ...(enableHugepages && { hugePageBytes: hugePageBytes() }),
      hostCpus: availableParallelism(),
      hostMemoryMiB: Math.floor(totalmem() / 1024 / 1024),
    }
    const socketPath = `${spec.privateDir}/${vsockName}`
    this.agent = { kind: 'hybrid-vsock', socketPath, port: agentPort, uid: spec.identity.uid }
  }

  protected async run(): Promise<void> {
    await this.#boot()
    // Its threads and devices exist only now; a machine that is not confined ends before it can do much.
    await this.process.confirmRunning(runningPosture(this.#waiting!, this.options.spec, this.#settings))
  }

  async plugNic(nic: NicAttachment): Promise<void> {
    await this.#put('vm.add-net', { body: netConfig(nic), fds: nic.taps })
  }

  plugDisk(disk: DiskAttachment): Promise<DiskAddress> {
    return this.#devices().disks.plug(disk)
  }

  unplugDisk(id: string): Promise<void> {
    return this.#devices().disks.unplug(id)
  }

  resizeDisk(id: string, bytes: number): Promise<void> {
    return this.#devices().disks.resize(id, bytes)
  }

  resize(size: MachineSize): Promise<MachineSize> {
    return this.#devices().resizer.resize(size)
  }

  protected async launch(): Promise<void> {
    const { spec, config } = this.options
    // A machine that cannot be made is refused before there is a process.
    await this.#promise(spec.memoryMiB)
    const machine = vmConfig(spec, this.#settings)
    const { ours, theirs, closeTheirs } = openChannels(spec.privateDir)
    try {
      await this.process.readFrom(ours)
      this.connection = await ApiClient.open(ours.api, clhApi)
      this.#events = await this.#watchEvents(ours.events)
      const launchSpec = this.#launchSpec(theirs)
      this.#waiting = waitingPosture(launchSpec)
      await this.process.launch(launchSpec, [this.connection.closed])
    } finally {
      closeTheirs()
    }
    this.process.checkVersion(versionOf(await this.connection.get('vmm.ping', { timeoutMs: answerMs })))
    await this.#put('vm.create', { body: machine, timeoutMs: answerMs })
    this.#plugged = {
      disks: new Disks(
        { put: this.#put, info: this.#info },
        new DiskNodes({ pid: this.process.pid, uid: spec.identity.uid, directory: inJail.disks }),
        configuredLimiter(config.hypervisor),
      ),
      resizer: new Resizer(this.#put, machine, this.#promise),
    }
    await this.process.confirm(this.#waiting)
    // Only now: it keeps their descriptors open from here on.
    for (const nic of spec.nics ?? []) await this.plugNic(nic)
  }

  #launchSpec(theirs: Ends): LaunchSpec {
    const { spec, config } = this.options
    const { identity, stateDir } = spec
    return {
      ...{ program: config.hypervisor.path, identity, stateDir, landlock: config.hypervisor.landlock },
      syscalls: clhSyscalls,
      args: clhArguments({ debug: config.hypervisor.enableDebug }),
      paths: jailPaths(spec, this.#settings),
      nodeDirs,
      fds: fdRoles.map((role) => theirs[role]),
      ...{ stdout: theirs.console, output: theirs.output },
    }
  }

  /** A VMM that reports nonsense is not believed further: its end still shows, by its exit. */
  #watchEvents(fd: number): Promise<Socket<undefined>> {
    const reader = new EventReader()
    return adoptSocket(fd, {
      data: (socket, bytes) => {
        try {
          for (const event of reader.push(bytes)) this.#onEvent(event)
        } catch (error) {
          this.options.log.warn('the VMM reports what is no event', { error: String(error) })
          socket.end()
        }
      },
      error: () => {},
    })
  }

  /** A guest that resets would be started anew, and one that goes down takes the process with it: both are ends. */
  #onEvent({ source, event }: MonitorEvent): void {
    this.options.log.debug('vmm event', { source, event })
    const { watch } = this.process
    if (source !== 'vm' || this.isStopping || !watch.isOpen) return
    if (event === 'rebooting') {
      watch.wasReset = true
      watch.because('shutdown')
      this.process.kill()
    }
    if (event === 'shutdown') watch.because('shutdown')
  }

  protected async quit(): Promise<boolean> {
    const quit = this.connection?.put('vmm.shutdown', { timeoutMs: quitMs })
    return (await quit?.then(() => true).catch(() => false)) ?? false
  }

  protected tidy(): void {
    const { privateDir } = this.options.spec
    this.#events?.end()
    removeApiSocket(privateDir)
    rmSync(`${privateDir}/${vsockName}`, { force: true })
  }

  /** The image that the guest boots from is open until the VMM has opened it. */
  async #boot(): Promise<void> {
    const boot = () => this.#put('vm.boot', { timeoutMs: answerMs })
    const { rootDisk } = this.options.spec
    if (rootDisk === undefined) return void (await boot())
    const fd = openDiskImage(rootDisk.image)
    try {
      await this.#devices().disks.boot({ ...rootDiskFacts, name: rootDisk.image, fd }, boot)
    } finally {
      closeSync(fd)
    }
  }

  /** What a machine has once it is created. @throws KataError VMM_DISCONNECTED before. */
  #devices(): Plugged {
    if (this.#plugged === undefined) throw new KataError('VMM_DISCONNECTED', { command: 'vm.create' })
    return this.#plugged
  }

  /** It maps huge pages without reserving them. */
  readonly #promise: PromiseMemory = async (memoryMiB) => {
    const { spec, config, ledger } = this.options
    if (!config.hypervisor.enableHugepages) return undefined
    return promiseHugePages(ledger, spec, memoryMiB)
  }

  readonly #info = (): Promise<unknown> => this.connected('vm.info').get('vm.info')

  readonly #put = async (command: string, options: CallOptions = {}): Promise<unknown> =>
    this.connected(command).put(command, options)
}

const rootDiskFacts = { id: 'disk', kind: 'file', readonly: true, direct: false, bus: 'virtio-blk' } as const

interface Plugged {
  readonly disks: Disks
  readonly resizer: Resizer
}

/** `version` of vmm.ping has no v in front, `build_version` has. */
function versionOf(ping: unknown): ProgramVersion {
  return bareVersion(asText(asObject(ping, 'the answer to vmm.ping').version, 'version'))
}
