/** Firecracker under its jailer, behind the {@link Vmm} interface. */
import { closeSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import type { AgentEndpoint } from '../../protocol/agent-endpoint.ts'
import { agentPort } from '../../protocol/agent-endpoint.ts'
import type { ExpectedPosture } from '../../rootless/posture/posture-check.ts'
import { openDiskImage } from '../host/disk-image.ts'
import { DiskNodes } from '../host/disk-nodes.ts'
import { promiseHugePages } from '../host/huge-pages.ts'
import type { ApiClient } from '../http/api.ts'
import { answerMs } from '../machine/deadlines.ts'
import { type DiskAddress, type DiskAttachment, noSuchDisk } from '../machine/disk.ts'
import { configuredLimiter } from '../machine/disk-limit.ts'
import { asObject, asText } from '../monitor/answers.ts'
import { bareVersion, checkProgram, type ProgramVersion, programNeeds } from '../program.ts'
import type { MachineSize, Vmm, VmmFeatures, VmmOptions } from '../vmm.ts'
import { VmmDriver } from '../vmm-driver.ts'
import { connectApi } from './api/api-socket.ts'
import { Drives } from './api/drives.ts'
import { companionsOf } from './around.ts'
import { openChannels } from './channels.ts'
import { firecracker } from './configuration/configuration.ts'
import { makeJail, removeJail, removeOtherNodes } from './jail-files.ts'
import { launchByJailer } from './jailer.ts'
import { runningPosture, waitingPosture } from './posture.ts'
import { type JailPlace, jailerArguments, jailPlace, realProgram, requireName } from './program.ts'
import { inJail } from './settings/jail-paths.ts'
import { type ApiRequest, machineRequests, patchDrive, putRootDrive } from './settings/requests.ts'

export const firecrackerFeatures: VmmFeatures = {
  share: 'none',
  nics: 'name',
  ownSockets: false,
  ownKvmNode: true,
}

/** The kernel's last words before it stands still (kernel/reboot.c): a guest can end its own machine by them, no other. */
const haltMarks = ['] reboot: Power down', '] reboot: System halted']
/** Firecracker's words for a triple fault, after which it exits with an error. */
const faultSaid = /Unexpected exit reason on vcpu run: Shutdown/

/** A machine that is described but not started. @throws nothing; what is wrong with the spec shows at start. */
export function createFirecracker(options: VmmOptions): Vmm {
  return new Firecracker(options)
}

class Firecracker extends VmmDriver<ApiClient> implements Vmm {
  readonly offlineVcpus = 0
  #place: JailPlace | undefined
  #drives: Drives | undefined
  #expected: ExpectedPosture | undefined
  #version: ProgramVersion | undefined

  constructor(options: VmmOptions) {
    super(options, programNeeds(firecracker, options.config.hypervisor))
    this.process.watch.faultSaid = faultSaid
  }

  get agent(): AgentEndpoint {
    const { spec, config } = this.options
    const { root } =
      this.#place ?? jailPlace(realProgram(config.hypervisor.path), spec.privateDir, spec.identity)
    return {
      kind: 'hybrid-vsock',
      socketPath: `${root}${inJail.vsock}`,
      port: agentPort,
      uid: spec.identity.uid,
    }
  }

  protected async run(): Promise<void> {
    await this.#put({ path: 'actions', body: { action_type: 'InstanceStart' } }, answerMs)
    // Its threads, devices and filters exist only now; a machine that is not confined ends before it can do much.
    await this.process.confirmRunning(runningPosture(this.#expected!, this.#version!))
  }

  plugDisk(disk: DiskAttachment): Promise<DiskAddress> {
    if (this.#drives === undefined) throw new KataError('VMM_DISCONNECTED', { command: 'drives' })
    return this.#drives.plug(disk)
  }

  async unplugDisk(id: string): Promise<void> {
    await this.#drives?.unplug(id)
  }

  async resizeDisk(id: string): Promise<void> {
    if (this.#drives === undefined) throw noSuchDisk(id)
    await this.#drives.resize(id)
  }

  async plugNic(): Promise<void> {
    throw new KataError('VMM_NO_HOT_NICS', { vmm: firecracker.name })
  }

  /** It changes neither. */
  async resize(): Promise<MachineSize> {
    const { vcpus, memoryMiB } = this.options.spec
    return { vcpus: Math.ceil(vcpus), memoryMiB }
  }

  protected async launch(): Promise<void> {
    const { spec, config } = this.options
    const { path, jailerPath: jailer, enableDebug: debug } = config.hypervisor
    const execFile = realProgram(path)
    // A machine that cannot be made is refused before there is a process.
    const requests = machineRequests(spec, config.hypervisor)
    const place = jailPlace(execFile, spec.privateDir, spec.identity)
    checkProgram(jailer, firecracker.starters[0])
    await requireName(execFile, jailer)
    if (config.hypervisor.enableHugepages) await promiseHugePages(this.options.ledger, spec, spec.memoryMiB)
    makeJail(place, spec, execFile)
    this.#place = place
    const { ours, theirs, closeTheirs } = openChannels(`${place.root}${inJail.log}`)
    try {
      await this.process.readFrom({ ...ours, seen: (tail) => this.#lookForHalt(tail) })
      this.#expected = waitingPosture(spec, theirs)
      const args = jailerArguments({
        execFile,
        place,
        debug,
        identity: spec.identity,
        netns: spec.netns?.path,
      })
      await this.#launch({ jailer, args, uid: spec.identity.uid, ...theirs })
    } finally {
      closeTheirs()
    }
    const version = asObject(
      await this.connected('version').get('version', { timeoutMs: answerMs }),
      'the answer to version',
    )
    this.#version = bareVersion(asText(version.firecracker_version, 'firecracker_version'))
    this.process.checkVersion(this.#version)
    const nodes = new DiskNodes({
      pid: this.process.pid,
      uid: spec.identity.uid,
      directory: inJail.drives,
    })
    for (const request of requests.first) await this.#put(request)
    await this.#putRootDrive(nodes)
    for (const request of requests.rest) await this.#put(request)
    this.#drives = new Drives({ spec, nodes, patch: (id, path) => this.#patchDrive(id, path) })
    await this.process.confirm(this.#expected)
  }

  async #launch(launch: Parameters<typeof launchByJailer>[0]): Promise<void> {
    const connected = Promise.withResolvers<void>()
    let look = () => {}
    await this.process.launchBy(
      async (options) => {
        const { ref, exited, around, ...jailed } = await launchByJailer(launch, options)
        look = jailed.look
        const companions = companionsOf(this.options.spec.identity, around)
        return { ref, exited: exited.then((exit) => this.#onExit(exit)), companions }
      },
      [connected.promise],
    )
    void this.ended.then(() => connected.resolve())
    removeOtherNodes(this.#place!)
    this.connection = await connectApi(this.#place!, this.options.spec.identity, this.ended)
    void this.connection.closed.then(() => {
      look()
      connected.resolve()
    })
  }

  /** A guest that resets by its keyboard controller takes the process with it, which is no failure to Firecracker. */
  #onExit<Exit extends { code: number | null }>(exit: Exit): Exit {
    const { watch } = this.process
    if (exit.code === 0 && !this.isStopping) {
      watch.wasReset = true
      watch.because('shutdown')
    }
    return exit
  }

  /** A guest that was switched off stands still, and Firecracker with it for ever: it has no power to switch off. */
  #lookForHalt(consoleTail: Buffer): void {
    const { watch } = this.process
    if (this.isStopping || !watch.isOpen || !haltMarks.some((mark) => consoleTail.includes(mark))) return
    watch.because('shutdown')
    this.process.kill()
  }

  /** There is no call that ends it. */
  protected async quit(): Promise<boolean> {
    this.process.kill()
    return true
  }

  protected tidy(): void {
    if (this.#place !== undefined) removeJail(this.#place)
  }

  /** Of each drive. */
  get #limiter() {
    return configuredLimiter(this.options.config.hypervisor)
  }

  async #putRootDrive(nodes: DiskNodes): Promise<void> {
    const { rootDisk } = this.options.spec
    if (rootDisk === undefined) return
    const fd = openDiskImage(rootDisk.image)
    try {
      const disk = { id: 'root', fd, kind: 'file', readonly: true } as const
      await nodes.during(disk, (path) => this.#put(putRootDrive(path, this.#limiter)))
    } finally {
      closeSync(fd)
    }
  }

  async #patchDrive(id: string, path: string): Promise<void> {
    const { path: resource, body } = patchDrive(id, path, this.#limiter)
    await this.connected('drives').patch(resource, { body })
  }

  async #put({ path, body }: ApiRequest, timeoutMs?: number): Promise<void> {
    await this.connected(path).put(path, { body, ...(timeoutMs === undefined ? {} : { timeoutMs }) })
  }
}
