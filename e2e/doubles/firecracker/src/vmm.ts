/** The state behind the API: what may be asked when, and what becomes of it. */
import { keepEvents, makeMachine, openTap, startProcessors } from 'double'
import { close } from 'syscalls'
import type { Loop } from '../../../../guest/agent/src/devices/loop.ts'
import { answerWith, type Request, type Response } from '../../common/src/http.ts'
import { serveVsock } from '../../common/src/vsock.ts'
import { Machine, type OpenDrive, openDrive, osError, portName } from './machine.ts'
import { invalidPath, parse, Refused, readable, sameId, within } from './refused.ts'
import type { Balloon, BootSource, Drive, MachineConfiguration, NetworkInterface, Vsock } from './requests.ts'
import { requireRoom } from './room.ts'

export interface VmmOptions {
  readonly loop: Loop
  readonly id: string
  readonly version: string
  readonly say: (text: string) => void
  readonly openKvm: () => number
  readonly exit: (code: number) => never
  /** Ends as the real program does when the guest's processor gave up. */
  readonly fault: () => never
}

/** The most that the real program has. */
const mostVcpus = 32
const defaults = {
  vcpu_count: 1,
  mem_size_mib: 128,
  smt: false,
  track_dirty_pages: false,
  huge_pages: 'None',
} as const

export class Vmm {
  readonly #options: VmmOptions
  readonly #drives: OpenDrive[] = []
  readonly #nics: { config: NetworkInterface; tap: number }[] = []
  #config: MachineConfiguration = defaults
  #boot: (BootSource & { files: number[] }) | undefined
  #vsock: Vsock | undefined
  #hasEntropy = false
  #balloon: Balloon | undefined
  #machine: Machine | undefined
  #guestListens = false

  constructor(options: VmmOptions) {
    this.#options = options
    keepEvents()
  }

  handle(request: Request): Promise<Response> {
    return answerWith(
      () => this.#perform(request),
      ({ message }) => {
        this.#options.say(`[ERROR] ${request.method} /${request.command}: ${message}`)
        return { status: 400, body: { fault_message: message } }
      },
    )
  }

  #perform({ method, command, body, fds }: Request): Promise<unknown> | unknown {
    if (fds.length > 0) throw new Refused('descriptors with a request: it takes none')
    const [resource = '', id, more] = command.split('/')
    const asked = <T>(type: string): T => parse<T>(body, type)
    if (more !== undefined) throw invalidPath(method, command)
    switch (`${method} ${resource}${id === undefined ? '' : '/ID'}`) {
      case 'GET ':
        return this.#info()
      case 'GET version':
        return { firecracker_version: this.#options.version }
      case 'GET machine-config':
        return this.#config
      case 'GET vm/ID':
        return id === 'config' ? this.#wholeConfig() : this.#refusePath(method, command)
      case 'PUT machine-config':
        return this.#setMachine(asked('MachineConfiguration'))
      case 'PUT boot-source':
        return this.#setBoot(asked('BootSource'))
      case 'PUT drives/ID':
        return this.#setDrive(sameId(id!, asked<Drive>('Drive'), 'drive_id'))
      case 'PATCH drives/ID':
        return this.#patchDrive(sameId(id!, asked<Drive>('PartialDrive'), 'drive_id'))
      case 'PUT network-interfaces/ID':
        return this.#setNic(sameId(id!, asked<NetworkInterface>('NetworkInterface'), 'iface_id'))
      case 'PUT vsock':
        return this.#setVsock(asked('Vsock'))
      case 'PUT entropy':
        return this.#setEntropy(asked('EntropyDevice'))
      case 'PUT balloon':
        return this.#setBalloon(asked('Balloon'))
      case 'PUT actions':
        return this.#act(asked<{ action_type: string }>('InstanceActionInfo').action_type)
      case 'PATCH vm':
        return this.#setState(asked<{ state: string }>('Vm').state)
      default:
        throw invalidPath(method, command)
    }
  }

  #info() {
    const state = this.#machine === undefined ? 'Not started' : 'Running'
    return { id: this.#options.id, state, vmm_version: this.#options.version, app_name: 'Firecracker' }
  }

  #wholeConfig() {
    const { kernel_image_path = '', initrd_path = null, boot_args = null } = this.#boot ?? {}
    return {
      balloon: this.#balloon ?? null,
      drives: this.#drives.map(({ config }) => config),
      'boot-source': { kernel_image_path, initrd_path, boot_args },
      'cpu-config': null,
      logger: null,
      'machine-config': this.#config,
      metrics: null,
      'mmds-config': null,
      'network-interfaces': this.#nics.map(({ config }) => config),
      vsock: this.#vsock ?? null,
      entropy: this.#hasEntropy ? {} : null,
      pmem: [],
      'memory-hotplug': null,
    }
  }

  #setMachine(config: MachineConfiguration): void {
    this.#beforeStart()
    const { vcpu_count, mem_size_mib, smt, huge_pages } = config
    if (vcpu_count < 1 || vcpu_count > mostVcpus || (smt === true && vcpu_count > 1 && vcpu_count % 2 === 1))
      throw new Refused(
        'Machine config error: The number of vCPUs must be greater than 0, less than 32 and must be 1 or an even number if SMT is enabled.',
      )
    if (mem_size_mib < 1 || (huge_pages === '2M' && mem_size_mib % 2 === 1))
      throw new Refused(
        'Machine config error: The memory size (MiB) is either 0, or not a multiple of the configured page size.',
      )
    this.#config = { ...defaults, ...config }
  }

  /** Both files stay open until the machine is made. */
  #setBoot(source: BootSource): void {
    this.#beforeStart()
    const files = [readable(source.kernel_image_path, 'kernel')]
    if (source.initrd_path !== undefined) files.push(readable(source.initrd_path, 'initrd'))
    for (const fd of this.#boot?.files ?? []) close(fd)
    this.#boot = { ...source, files }
  }

  #setDrive(drive: Drive): void {
    this.#beforeStart()
    if (drive.is_root_device && this.#drives.some(({ config }) => config.is_root_device))
      throw new Refused('A root block device already exists!')
    const opened = within('Drive config error', () => openDrive(drive))
    const at = this.#drives.findIndex(({ config }) => config.drive_id === drive.drive_id)
    if (at >= 0) close(this.#drives.splice(at, 1, opened)[0]!.fd)
    else if (drive.is_root_device) this.#drives.unshift(opened)
    else this.#drives.push(opened)
  }

  async #patchDrive({ drive_id, path_on_host, rate_limiter }: Drive): Promise<void> {
    const machine = this.#started()
    const drive = this.#drives.find(({ config }) => config.drive_id === drive_id)
    if (drive === undefined) throw new Refused(`Block device with id ${drive_id} not found`)
    const config = { ...drive.config, ...(rate_limiter && { rate_limiter }) }
    const at = this.#drives.indexOf(drive)
    if (path_on_host === undefined) {
      this.#drives[at] = { ...drive, config }
      return
    }
    const opened = within('Drive config error', () => openDrive({ ...config, path_on_host }))
    await machine.setDrive(opened)
    close(this.#drives.splice(at, 1, opened)[0]!.fd)
  }

  #setNic(config: NetworkInterface): void {
    this.#beforeStart()
    if (this.#nics.some((nic) => nic.config.guest_mac === config.guest_mac && config.guest_mac !== undefined))
      throw new Refused(`The MAC address is already in use: ${config.guest_mac}`)
    this.#nics.push({ config, tap: openTap(config.host_dev_name) })
  }

  /** Bound at once, as the real program does. */
  #setVsock(vsock: Vsock): void {
    this.#beforeStart()
    const guest = { isListening: () => this.#guestListens, port: portName() }
    const backend = 'Cannot create backend for vsock device: Error binding to the host-side Unix socket'
    try {
      serveVsock(this.#options.loop, vsock.uds_path, guest)
    } catch (error) {
      throw new Refused(`Vsock config error: ${backend}: ${osError(error)}`)
    }
    this.#vsock = vsock
  }

  #setEntropy(_: object): void {
    this.#beforeStart()
    this.#hasEntropy = true
  }

  #setBalloon(balloon: Balloon): void {
    this.#beforeStart()
    if (balloon.amount_mib !== 0) throw new Refused('the double takes no memory by its balloon')
    this.#balloon = balloon
  }

  async #act(action: string): Promise<void> {
    if (action === 'InstanceStart') return this.#start()
    this.#started()
    throw new Refused(`the double does not do ${action}`)
  }

  async #start(): Promise<void> {
    this.#beforeStart()
    const boot = this.#boot
    if (boot === undefined)
      throw new Refused('Start microvm error: Cannot start microvm without kernel configuration.')
    const others = [this.#vsock !== undefined, this.#hasEntropy, this.#balloon !== undefined]
    const devices = this.#drives.length + this.#nics.length + others.filter(Boolean).length
    within('Start microvm error', () => requireRoom(devices, boot.boot_args ?? ''))
    // Its machine is made now, which is when rights that are missing show.
    makeMachine(this.#options.openKvm(), this.#config.vcpu_count)
    this.#machine = await Machine.start(this.#options.loop, {
      boot,
      drives: this.#drives,
      nics: this.#nics,
      config: this.#config,
      hasEntropy: this.#hasEntropy,
      balloon: this.#balloon,
      onEvent: (name, data) => this.#onEvent(name, data),
      onEnd: () => this.#onEnd(),
    })
    startProcessors(this.#config.vcpu_count)
    for (const fd of boot.files.splice(0)) close(fd)
  }

  #setState(state: string): void {
    this.#started()
    throw new Refused(`the double does not do ${state}`)
  }

  #beforeStart(): void {
    if (this.#machine !== undefined)
      throw new Refused('The requested operation is not supported after starting the microVM.')
  }

  #started(): Machine {
    if (this.#machine !== undefined) return this.#machine
    throw new Refused('The requested operation is not supported before starting the microVM.')
  }

  #onEvent(name: string, data: Record<string, unknown>): void {
    if (name === 'VSERPORT_CHANGE' && data.id === 'agent') this.#guestListens = data.open === true
    if (name === 'SHUTDOWN' && data.reason === 'guest-reset') this.#onReset()
  }

  /** By the keyboard's controller it is the end, and no failure; another way of resetting is a triple fault to it. */
  #onReset(): never {
    const ways = [...(this.#boot?.boot_args ?? '').matchAll(/(?:^| )reboot=(\w)/g)].map(([, way]) => way)
    if (ways.length > 0 && ways.at(-1) !== 'k') this.#options.fault()
    this.#options.exit(0)
  }

  #onEnd(): void {
    this.#options.exit(1)
  }

  #refusePath(method: string, path: string): never {
    throw invalidPath(method, path)
  }
}
