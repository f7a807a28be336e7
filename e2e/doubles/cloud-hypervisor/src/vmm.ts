/** What the API asks for, and what becomes of the machine: states, events and answers as the real program's. */
import { restrictTo } from 'double'
import type { Loop } from '../../../../guest/agent/src/loop.ts'
import { sleep } from '../../../../guest/agent/src/wait.ts'
import { answerWith, type Request, type Response } from '../../common/src/http.ts'
import { complaint } from '../../common/src/validate.ts'
import { serveVsock } from '../../common/src/vsock.ts'
import { Machine, type Nic, portName } from './machine.ts'
import { schema } from './schema.ts'
import {
  type DiskConfig,
  type FsConfig,
  landlockRules,
  type NetConfig,
  refusal,
  type VmConfig,
} from './vm-config.ts'

/** Bytes by which memory grows. */
const memoryStep = 128 * 1024 * 1024
const mebibyte = 1024 * 1024
const teardownMilliseconds = 100

export interface VmmOptions {
  readonly loop: Loop
  readonly version: string
  readonly pid: number
  readonly report: (source: string, event: string) => void
  readonly say: (text: string) => void
  readonly exit: (code: number) => void
}

/** A request that fails as the real program's would: with this status and reason. */
class Refused extends Error {
  readonly status: number
  constructor(status: number, reason: string) {
    super(reason)
    this.status = status
  }
}

const notCreated = () => new Refused(500, 'VM is not created')
const notBooted = () => new Refused(500, 'VM is not running')

export class Vmm {
  readonly #options: VmmOptions
  readonly #nics: Nic[] = []
  #config: VmConfig | undefined
  #machine: Machine | undefined
  #paused = false
  #guestListens = false
  #vsockServed = false
  #ending = false
  /** The guest went down by itself; by a reset, for which the real program starts it anew. */
  #down = false
  #reset = false

  constructor(options: VmmOptions) {
    this.#options = options
  }

  handle(request: Request): Promise<Response> {
    return answerWith(
      () => this.#perform(request),
      (error) => {
        this.#options.say(`<vmm> ERROR: ${request.command}: ${error.message}`)
        return {
          status: error instanceof Refused ? error.status : 500,
          body: ['Error from API', error.message],
        }
      },
    )
  }

  #perform({ method, command, body, fds }: Request): Promise<unknown> | unknown {
    const expected = command === 'vmm.ping' || command === 'vm.info' ? 'GET' : 'PUT'
    if (method !== expected) throw new Refused(400, 'Bad Request')
    if (fds.length > 0 && command !== 'vm.add-net')
      throw new Refused(400, 'descriptors with a request that takes none')
    const asked = <T>(type: string): T => parse<T>(body, type)
    switch (command) {
      case 'vmm.ping':
        return this.#ping()
      case 'vmm.shutdown':
        return this.#shutDown()
      case 'vm.create':
        return this.#create(asked('VmConfig'))
      case 'vm.boot':
        return this.#boot()
      case 'vm.info':
        return this.#info()
      case 'vm.pause':
        return this.#pause()
      case 'vm.resume':
        return this.#resume()
      case 'vm.shutdown':
        return this.#stopMachine()
      case 'vm.add-net':
        return this.#addNet(asked<NetConfig>('NetConfig'), fds)
      case 'vm.add-disk':
        return this.#addDisk(asked('DiskConfig'))
      case 'vm.add-fs':
        return this.#addFs(asked('FsConfig'))
      case 'vm.remove-device':
        return this.#removeDevice(asked<{ id?: string }>('VmRemoveDevice').id ?? '')
      case 'vm.resize':
        return this.#resize(asked('VmResize'))
      default:
        throw new Refused(404, 'Not Found')
    }
  }

  #ping() {
    const { version, pid } = this.#options
    return { build_version: `v${version}-double`, version, pid, features: ['kvm'] }
  }

  #create(config: VmConfig): void {
    if (this.#config !== undefined) throw new Refused(500, 'VM is already created')
    const reason = refusal(config)
    if (reason !== undefined) throw new Refused(400, reason)
    if (config.landlock_enable === true) restrictTo(landlockRules(config))
    this.#config = config
  }

  async #boot(): Promise<void> {
    const config = this.#config
    if (config === undefined) throw notCreated()
    if (this.#machine !== undefined) throw new Refused(500, 'VM is already running')
    this.#options.report('vm', 'booting')
    const port = portName()
    if (config.vsock !== undefined && !this.#vsockServed) {
      serveVsock(this.#options.loop, config.vsock.socket, { isListening: () => this.#guestListens, port })
      this.#vsockServed = true
    }
    this.#machine = await Machine.start(this.#options.loop, config, this.#nics, {
      // The private directory is the one place where it may write.
      directory: config.vsock?.socket.replace(/\/[^/]*$/, '') ?? '/tmp',
      port,
      onEvent: (name, data) => this.#onEvent(name, data),
      onEnd: () => this.#onEnd(),
    })
    this.#options.report('vm', 'booted')
  }

  #info() {
    const config = this.#config
    if (config === undefined) throw notCreated()
    const state = this.#machine === undefined ? 'Created' : this.#paused ? 'Paused' : 'Running'
    const nodes = (this.#machine?.devices ?? []).map((id) => [id, { id, pci_bdf: this.#machine?.bdf(id) }])
    const device_tree = this.#machine === undefined ? {} : { device_tree: Object.fromEntries(nodes) }
    return { config, state, memory_actual_size: config.memory.size, ...device_tree }
  }

  async #pause(): Promise<void> {
    const machine = this.#booted()
    if (this.#paused) throw new Refused(500, 'VM is not running')
    this.#options.report('vm', 'pausing')
    await machine.qmp.execute('stop')
    this.#paused = true
    this.#options.report('vm', 'paused')
  }

  async #resume(): Promise<void> {
    const machine = this.#booted()
    if (!this.#paused) throw new Refused(500, 'VM is not paused')
    this.#options.report('vm', 'resuming')
    await machine.qmp.execute('cont')
    this.#paused = false
    this.#options.report('vm', 'resumed')
  }

  async #addNet(config: NetConfig, taps: readonly number[]): Promise<unknown> {
    const vm = this.#config
    if (vm === undefined) throw notCreated()
    if (taps.length === 0) throw new Refused(500, 'the double opens no tap: descriptors must come along')
    if ((config.num_queues ?? 2) !== 2 * taps.length)
      throw new Refused(400, 'num_queues is not twice the taps')
    this.#checkNew(config.id)
    vm.net = [...(vm.net ?? []), config]
    this.#nics.push({ config, taps })
    return this.#machine && this.#added(config.id, await this.#machine.addNic({ config, taps }))
  }

  async #addDisk(config: DiskConfig): Promise<unknown> {
    const vm = this.#config
    if (vm === undefined) throw notCreated()
    this.#checkNew(config.id)
    const bdf = await this.#machine?.addDisk(config)
    vm.disks = [...(vm.disks ?? []), config]
    return bdf && this.#added(config.id, bdf)
  }

  async #addFs(config: FsConfig): Promise<unknown> {
    const vm = this.#config
    if (vm === undefined) throw notCreated()
    this.#checkNew(config.id)
    const bdf = await this.#machine?.addFs(config)
    vm.fs = [...(vm.fs ?? []), config]
    return bdf && this.#added(config.id, bdf)
  }

  #added(id: string | undefined, bdf: string) {
    return { id: id ?? '', bdf }
  }

  #checkNew(id: string | undefined): void {
    const { disks = [], fs = [], net = [] } = this.#config ?? {}
    if (id !== undefined && [...disks, ...fs, ...net].some((device) => device.id === id))
      throw new Refused(400, `identifier ${id} is not unique`)
  }

  async #removeDevice(id: string): Promise<void> {
    const config = this.#config
    if (config === undefined) throw notCreated()
    await this.#booted().remove(id)
    const others = <T extends { id?: string }>(list: T[] = []) => list.filter((device) => device.id !== id)
    config.disks = others(config.disks)
    config.fs = others(config.fs)
    config.net = others(config.net)
  }

  async #resize({
    desired_vcpus,
    desired_ram,
  }: {
    desired_vcpus?: number
    desired_ram?: number
  }): Promise<void> {
    const config = this.#config
    if (config === undefined) throw notCreated()
    if (desired_vcpus !== undefined) {
      if (desired_vcpus > config.cpus.max_vcpus) throw new Refused(500, 'desired vCPUs exceed the maximum')
      config.cpus.boot_vcpus = desired_vcpus
    }
    if (desired_ram === undefined) return
    const { size, hotplug_size = 0 } = config.memory
    if (desired_ram > size && (desired_ram - size) % memoryStep !== 0)
      throw new Refused(500, 'memory grows by multiples of 128 MiB')
    if (desired_ram > size + hotplug_size) throw new Refused(500, 'no room for that much memory')
    if (desired_ram > size) {
      await this.#machine?.growTo(desired_ram / mebibyte)
      config.memory.hotplug_size = hotplug_size - (desired_ram - size)
    }
    config.memory.size = desired_ram
  }

  #booted(): Machine {
    if (this.#machine === undefined) throw this.#config === undefined ? notCreated() : notBooted()
    return this.#machine
  }

  async #stopMachine(): Promise<void> {
    const machine = this.#booted()
    this.#ending = true
    await machine.stop()
    this.#machine = undefined
    this.#ending = false
    this.#options.report('vm', 'shutdown')
  }

  /** The answer goes out first. */
  async #shutDown(): Promise<void> {
    if (this.#machine !== undefined) await this.#stopMachine()
    this.#options.report('vm', 'deleted')
    this.#options.report('vmm', 'shutdown')
    void Promise.resolve().then(() => this.#options.exit(0))
  }

  #onEvent(name: string, data: Record<string, unknown>): void {
    if (name === 'VSERPORT_CHANGE' && data.id === 'agent') this.#guestListens = data.open === true
    if (name === 'DEVICE_DELETED' && typeof data.device === 'string') void this.#machine?.forget(data.device)
    if (name !== 'SHUTDOWN' || data.guest !== true) return
    if (data.reason === 'guest-reset') this.#options.report('vm', 'rebooting')
    else this.#options.report('vm', 'shutdown')
    this.#reset = data.reason === 'guest-reset'
    this.#down = true
  }

  /** QEMU is gone: the guest went down, it reset and is started anew, or QEMU failed. */
  #onEnd(): void {
    if (this.#ending) return
    this.#machine = undefined
    this.#guestListens = false
    if (this.#reset) {
      this.#reset = false
      // The real one tears its machine down first, which takes a while.
      void sleep(teardownMilliseconds)
        .then(() => this.#boot())
        .then(
          () => this.#options.report('vm', 'rebooted'),
          () => this.#options.exit(1),
        )
    } else {
      this.#options.report('vmm', 'shutdown')
      this.#options.exit(this.#down ? 0 : 1)
    }
  }
}

function parse<T>(body: string, type: string): T {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    throw new Refused(400, 'Failed to deserialize JSON')
  }
  const reason = complaint(schema, value, type)
  if (reason !== undefined) throw new Refused(400, `Failed to deserialize JSON: ${reason}`)
  return value as T
}
