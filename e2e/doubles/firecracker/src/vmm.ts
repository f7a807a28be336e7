/** The state behind the API: what may be asked when, and what becomes of it. */
import { filterAllThreads, openTap } from 'double'
import { close, open } from 'syscalls'
import type { Loop } from '../../../../guest/agent/src/loop.ts'
import { answerWith, type Request, type Response } from '../../common/src/http.ts'
import { complaint } from '../../common/src/validate.ts'
import { serveVsock } from '../../common/src/vsock.ts'
import { Machine, type OpenDrive, openDrive, portName } from './machine.ts'
import type { Balloon, BootSource, Drive, MachineConfiguration, NetworkInterface, Vsock } from './requests.ts'
import { schema } from './schema.ts'

export interface VmmOptions {
  readonly loop: Loop
  readonly id: string
  readonly version: string
  readonly say: (text: string) => void
  readonly openKvm: () => number
  readonly exit: (code: number) => void
}

/** The most that the real program has. */
const mostVcpus = 32

/** A request that fails as the real program's would. */
class Refused extends Error {}

export class Vmm {
  readonly #options: VmmOptions
  readonly #drives: OpenDrive[] = []
  readonly #nics: { config: NetworkInterface; tap: number }[] = []
  #config: MachineConfiguration = { vcpu_count: 1, mem_size_mib: 128 }
  #boot: BootSource | undefined
  #vsock: Vsock | undefined
  #hasEntropy = false
  #balloon: Balloon | undefined
  #machine: Machine | undefined
  #paused = false
  #guestListens = false
  #reset = false

  constructor(options: VmmOptions) {
    this.#options = options
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
    const state = this.#machine === undefined ? 'Not started' : this.#paused ? 'Paused' : 'Running'
    return { app_name: 'Firecracker', id: this.#options.id, state, vmm_version: this.#options.version }
  }

  #setMachine(config: MachineConfiguration): void {
    this.#beforeStart()
    const { vcpu_count, mem_size_mib, smt, huge_pages } = config
    if (vcpu_count < 1 || vcpu_count > mostVcpus || (smt === true && vcpu_count > 1 && vcpu_count % 2 === 1))
      throw new Refused('The vCPU number is invalid! The vCPU number can only be 1 or an even number.')
    if (mem_size_mib < 1 || (huge_pages === '2M' && mem_size_mib % 2 === 1))
      throw new Refused('The memory size (MiB) is invalid.')
    this.#config = config
  }

  #setBoot(source: BootSource): void {
    this.#beforeStart()
    readable(source.kernel_image_path, 'The kernel file cannot be opened')
    if (source.initrd_path !== undefined) readable(source.initrd_path, 'The initrd file cannot be opened')
    this.#boot = source
  }

  #setDrive(drive: Drive): void {
    this.#beforeStart()
    if (drive.is_root_device && this.#drives.some(({ config }) => config.is_root_device))
      throw new Refused('A root block device already exists!')
    const opened = openDrive(drive)
    const at = this.#drives.findIndex(({ config }) => config.drive_id === drive.drive_id)
    if (at >= 0) close(this.#drives.splice(at, 1, opened)[0]!.fd)
    else if (drive.is_root_device) this.#drives.unshift(opened)
    else this.#drives.push(opened)
  }

  async #patchDrive({ drive_id, path_on_host }: Drive): Promise<void> {
    const machine = this.#started()
    const drive = this.#drives.find(({ config }) => config.drive_id === drive_id)
    if (drive === undefined) throw new Refused(`Block device with id ${drive_id} not found`)
    if (path_on_host === undefined) return
    await machine.setDrive({ ...drive.config, path_on_host })
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
    if (vsock.guest_cid < 3) throw new Refused('The guest CID is invalid')
    if (this.#vsock !== undefined) throw new Refused('the double has one vsock device')
    serveVsock(this.#options.loop, vsock.uds_path, {
      isListening: () => this.#guestListens,
      port: portName(),
    })
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
    if (boot === undefined) throw new Refused('Cannot start microvm without kernel configuration.')
    // Its machine is made now, which is when rights that are missing show.
    this.#options.openKvm()
    this.#machine = await Machine.start(this.#options.loop, {
      ...{ boot, drives: this.#drives, nics: this.#nics, config: this.#config, hasEntropy: this.#hasEntropy },
      balloon: this.#balloon,
      onEvent: (name, data) => this.#onEvent(name, data),
      onEnd: () => this.#onEnd(),
    })
    filterAllThreads()
  }

  async #setState(state: string): Promise<void> {
    const machine = this.#started()
    await machine.qmp.execute(state === 'Paused' ? 'stop' : 'cont')
    this.#paused = state === 'Paused'
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
    if (name === 'SHUTDOWN' && data.guest === true) this.#reset = true
  }

  /** A guest that resets is the end, and no failure. */
  #onEnd(): void {
    this.#options.exit(this.#reset ? 0 : 1)
  }
}

const invalidPath = (method: string, path: string) =>
  new Refused(`Invalid request method and/or path: ${method} ${path}.`)

function sameId<T>(id: string, body: T, field: keyof T): T {
  if (!/^[A-Za-z0-9_]+$/.test(id))
    throw new Refused('API Resource IDs can only contain alphanumeric characters and underscores.')
  if (body[field] === id) return body
  throw new Refused(
    `The id from the path [${id}] does not match the id from the body [${String(body[field])}]!`,
  )
}

function readable(path: string, complaint: string): void {
  try {
    close(open(path, 0, 0))
  } catch (error) {
    throw new Refused(`${complaint}: ${(error as Error).message}`)
  }
}

function parse<T>(body: string, type: string): T {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    throw new Refused('An error occurred when deserializing the json body of a request.')
  }
  const reason = complaint(schema, value, type)
  if (reason !== undefined)
    throw new Refused(`An error occurred when deserializing the json body of a request: ${reason}`)
  return value as T
}
