/** QEMU behind the {@link Vmm} interface. */
import { closeSync } from 'node:fs'
import { socketPair } from '../../linux/sockets/socket.ts'
import type { AgentEndpoint } from '../../protocol/agent-endpoint.ts'
import { agentPort } from '../../protocol/agent-endpoint.ts'
import type { LaunchSpec } from '../../rootless/jail/launch-spec.ts'
import { type ExpectedPosture, expectedPosture } from '../../rootless/posture/posture-check.ts'
import { requireHugePages } from '../host/huge-pages.ts'
import { answerMs, quitMs } from '../machine/deadlines.ts'
import type { DiskAddress, DiskAttachment } from '../machine/disk.ts'
import type { PassThrough } from '../machine/pass-through.ts'
import { programNeeds } from '../program.ts'
import type { MachineSize, NicAttachment, SavedFiles, SaveTo, Vmm, VmmFeatures, VmmOptions } from '../vmm.ts'
import { VmmDriver } from '../vmm-driver.ts'
import { qemu } from './configuration/configuration.ts'
import { GuestMemory } from './guest-memory.ts'
import { hostFacts } from './host-facts.ts'
import { QemuDisks } from './monitor/disks.ts'
import { EndEvents } from './monitor/end-events.ts'
import { plugLate } from './monitor/plug-late.ts'
import { plugNic } from './monitor/plug-nic.ts'
import { commandMs, QmpClient } from './monitor/qmp.ts'
import { MachineResizer } from './monitor/resize.ts'
import { type Move, restoreState, saveState } from './monitor/saved-state.ts'
import { Unplugs } from './monitor/unplug.ts'
import { memoryForVfio, notedPassThrough, QemuVfio } from './monitor/vfio.ts'
import { openDescriptors } from './open-descriptors.ts'
import { openState } from './open-state.ts'
import { openedByQemu } from './posture.ts'
import { qemuCommandLine } from './settings/command-line.ts'
import { firstFd, type HandedOver } from './settings/handed-over.ts'
import { mappingMs } from './settings/mapping-time.ts'
import { movingMs } from './settings/moving-time.ts'
import { offlineVcpus } from './settings/processors.ts'
import { RootPorts, rootPortCount } from './settings/root-ports.ts'
import { isClone, memoryFile, memoryFileOf, savedFiles } from './settings/template.ts'
import { removeSockets, socketPath } from './sockets.ts'
import { qemuSyscalls } from './syscalls.ts'

export interface QemuOptions extends VmmOptions {
  /** Sees every QMP event, for instance VSERPORT_CHANGE when the guest opens the agent's port. */
  readonly onEvent?: (name: string, data: Readonly<Record<string, unknown>>) => void
}

/** Filters on every thread: that of the jail and that of `-sandbox`. */
const seccompFilters = 2
/** Sockets before guest code runs: our connections to qmp and console, and virtiofsd's way back. */
const startSockets = 3
/** And from then on: the agent client's connection. */
const laterSockets = 1

const never = new AbortController().signal

export const qemuFeatures: VmmFeatures = {
  ...{
    share: 'descriptor',
    nics: 'descriptor',
    ownSockets: false,
    ownKvmNode: false,
  },
}

/** A machine that is described but not started. @throws nothing; what is wrong with the spec shows at start. */
export function createQemu(options: QemuOptions): Vmm {
  return new Qemu(options)
}

class Qemu extends VmmDriver<QmpClient> implements Vmm {
  readonly agent: AgentEndpoint
  readonly offlineVcpus: number
  readonly #onQmpEvent: QemuOptions['onEvent']
  readonly #endEvents: EndEvents
  readonly #ports: RootPorts
  readonly #unplugs: Unplugs
  readonly #disks: QemuDisks
  readonly passThrough: PassThrough
  readonly #vfio: QemuVfio
  #resizer: MachineResizer | undefined
  /** Of a template in the making that saves it apart. */
  #memory: GuestMemory | undefined

  constructor(options: QemuOptions) {
    super(options, programNeeds(qemu, options.config.hypervisor))
    const { spec } = options
    this.#onQmpEvent = options.onEvent
    this.agent =
      spec.vsock === undefined
        ? { kind: 'serial', socketPath: socketPath(spec.privateDir, 'agent') }
        : { kind: 'vsock', cid: spec.vsock.cid, port: agentPort }
    this.offlineVcpus = offlineVcpus(spec)
    this.#endEvents = new EndEvents(this.process.watch)
    this.#ports = new RootPorts(rootPortCount(spec, options.config.hypervisor))
    const execute = (command: string, args: object, fds?: readonly number[]) =>
      this.#execute(command, args, fds)
    const executeMapping: typeof execute = (command, args, fds) =>
      this.#execute(command, args, fds, this.#mappingMs(commandMs, options.patience?.plug))
    this.#unplugs = new Unplugs(execute)
    const { hypervisor } = options.config
    this.#disks = new QemuDisks({ execute, ports: this.#ports, unplugs: this.#unplugs, config: hypervisor })
    this.#vfio = new QemuVfio(executeMapping, this.#ports, this.#unplugs)
    this.passThrough = notedPassThrough(this.#vfio, this.process)
  }

  protected async run(): Promise<void> {
    const { spec } = this.options
    const saved = savedFiles(spec)
    if (saved !== undefined) await this.#goOnFrom(saved)
    await this.#execute('cont')
  }

  async #goOnFrom(saved: SavedFiles): Promise<void> {
    const execute = (command: string, args: object = {}, fds?: readonly number[]) =>
      this.#execute(command, args, fds)
    const isResumed = this.options.spec.resumed !== undefined
    const fd = openState(saved, isResumed ? 'CHECKPOINT_DAMAGED' : 'TEMPLATE_DAMAGED')
    try {
      await restoreState(execute, this.#move(fd, saved.memory))
    } finally {
      closeSync(fd)
    }
    if (isClone(this.options.spec)) await this.#plugLate()
  }

  #plugLate(): Promise<void> {
    const execute = (command: string, args: object) => this.#execute(command, args)
    return plugLate(execute, this.#ports, this.options.spec)
  }

  async goOn(): Promise<void> {
    await this.#execute('cont')
  }

  async save({ state, memory }: SaveTo): Promise<void> {
    const execute = (command: string, args: object = {}, fds?: readonly number[]) =>
      this.#execute(command, args, fds)
    await saveState(execute, this.#move(state, memory))
    if (memory !== undefined) await this.#memory?.copyTo(memory, this.options.signal ?? never)
  }

  #move(fd: number, memory: unknown): Move {
    return { fd, memory: memory === undefined ? 'within' : 'apart', longestMs: movingMs(this.#memoryMiB()) }
  }

  plugDisk(disk: DiskAttachment): Promise<DiskAddress> {
    return this.process.handOver(disk.id, [disk.fd], () => this.#disks.plug(disk))
  }

  async unplugDisk(id: string): Promise<void> {
    await this.#disks.unplug(id)
    this.process.givenBack(id)
  }

  resizeDisk(id: string, bytes: number): Promise<void> {
    return this.#disks.resize(id, bytes)
  }

  plugNic(nic: NicAttachment): Promise<void> {
    const fds = [...nic.taps, ...(nic.vhosts ?? [])]
    const execute = (command: string, args: object, fds?: readonly number[]) =>
      this.#execute(command, args, fds)
    return this.process.handOver(nic.id, fds, () => plugNic(execute, this.#ports, nic))
  }

  get vcpus(): number | undefined {
    return this.#resizer?.vcpus
  }

  resize(size: MachineSize): Promise<MachineSize> {
    const { spec, config } = this.options
    this.#resizer ??= new MachineResizer({
      spec,
      settings: { ...config.hypervisor, ...hostFacts(config.hypervisor.path) },
      // Memory that comes is mapped for the devices that are there.
      execute: (command, args) =>
        this.#execute(
          command,
          args,
          [],
          this.#vfio.hasIommu ? this.#mappingMs(commandMs, this.options.patience?.plug) : undefined,
        ),
      unplugs: this.#unplugs,
      requireHugePages,
    })
    return this.#resizer.resize(size)
  }

  protected async launch(): Promise<void> {
    const { launchSpec, descriptors, close, connections } = this.#prepare()
    let expected: ExpectedPosture
    try {
      await this.process.readFrom(connections)
      this.connection = await QmpClient.open(connections.qmp, ({ name, data }) => this.#onEvent(name, data))
      expected = this.#expect(launchSpec, descriptors)
      await this.process.launch(launchSpec, [this.connection.closed])
    } finally {
      close()
    }
    this.process.checkVersion(await this.connection.negotiate(this.#startMs()))
    // As a clone it was given these before its disks.
    if (this.options.spec.resumed?.wasClone) await this.#plugLate()
    await this.process.confirm(expected, { ...expected, sockets: expected.sockets + laterSockets })
  }

  /** It answers once the machine is built, which takes long where that touches all of its memory. */
  #startMs(): number {
    const { spec, config, patience } = this.options
    const touchesAll = (spec.vfio ?? []).length > 0 || config.hypervisor.enableMemPrealloc
    return touchesAll ? this.#mappingMs(answerMs, patience?.start) : answerMs
  }

  #mappingMs(usualMs: number, configured = 0): number {
    return mappingMs(this.#memoryMiB(), usualMs, configured)
  }

  #memoryMiB(): number {
    return this.#resizer?.memoryMiB ?? this.options.spec.memoryMiB
  }

  /** Everything that must be open before the process exists. */
  #prepare() {
    const { spec, config } = this.options
    if (config.hypervisor.enableHugepages) requireHugePages(spec.memoryMiB)
    if (spec.template === 'make-apart')
      this.#memory = new GuestMemory(spec.privateDir, spec.identity, spec.memoryMiB)
    const settings = { ...config.hypervisor, ...hostFacts(config.hypervisor.path, spec.initrd) }
    const { args, descriptors, paths } = qemuCommandLine(spec, settings)
    this.#vfio.atStart(spec.vfio ?? [])
    const { fds, sockets, closeOurs } = openDescriptors(descriptors, spec.privateDir)
    // A pipe of our own instead of a file: a VMM that was taken over must not be able to fill the run directory.
    const [reader, output] = socketPair()
    const { identity, stateDir } = spec
    const launchSpec: LaunchSpec = {
      ...{ program: config.hypervisor.path, args, identity, paths, fds, output, stateDir },
      syscalls: qemuSyscalls,
      lockedMemoryMiB: memoryForVfio(spec, settings, config.hypervisor),
      landlock: config.hypervisor.landlock,
      // A clone's memory is of small pages anyway: it has a file in common with others.
      smallPages: savedFiles(spec)?.memory !== undefined,
    }
    const close = () => {
      closeOurs()
      closeSync(output)
    }
    const connections = { qmp: sockets.qmp, console: sockets.console, output: reader }
    return { launchSpec, descriptors, close, connections }
  }

  /**
   * `-add-fd` keeps a disk's descriptor under another number, and opening the set duplicates it: whatever number has the
   * disk is what was handed over, and the number itself may come to be used for something else.
   */
  #expect(launchSpec: LaunchSpec, handed: readonly HandedOver[]): ExpectedPosture {
    const { spec, config } = this.options
    // It makes the TPM's data channel itself, and a second share's way back.
    const more = [spec.tpm, spec.volumeShare].filter((device) => device !== undefined)
    const sockets = startSockets + more.length
    const expected = expectedPosture(launchSpec, { seccompFilters, sockets })
    const isInSet = ([fd]: [string, string]) => handed[Number(fd) - firstFd]?.inSet === true
    const descriptors = Object.entries(expected.descriptors)
    const inSets = descriptors.filter(isInSet).map(([, kind]) => kind)
    const kept = descriptors.filter((descriptor) => !isInSet(descriptor))
    const memory = memoryFileOf(spec) === undefined ? [] : [memoryFile]
    const opened = openedByQemu([config.hypervisor.entropySource, ...memory], inSets)
    return { ...expected, ...opened, descriptors: Object.fromEntries(kept) }
  }

  protected async quit(): Promise<boolean> {
    const quit = this.connection?.execute('quit', {}, { timeoutMs: quitMs })
    return (await quit?.then(() => true).catch(() => false)) ?? false
  }

  protected tidy(): void {
    removeSockets(this.options.spec.privateDir)
    this.#memory?.close()
  }

  #onEvent(name: string, data: Readonly<Record<string, unknown>>): void {
    this.options.log.debug('vmm event', { name })
    this.#endEvents.event(name, data, async () => this.#execute('query-status'))
    this.#unplugs.event(name, data)
    this.#resizer?.event({ name, data })
    this.#onQmpEvent?.(name, data)
  }

  async #execute(
    command: string,
    args: object = {},
    fds: readonly number[] = [],
    timeoutMs: number = commandMs,
  ): Promise<unknown> {
    return this.connected(command).execute(command, args, { fds, timeoutMs })
  }
}
