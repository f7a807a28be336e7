/** What becomes of the machine: states, devices and events as the real program's. */
import { exists, restrictTo } from 'double'
import { setTimeout } from 'os'
import type { Loop } from '../../../../guest/agent/src/devices/loop.ts'
import { sleep } from '../../../../guest/agent/src/system/wait.ts'
import { serveVsock } from '../../common/src/vsock.ts'
import { diskWithDefaults, withDefaults } from './defaults.ts'
import { forgetDevice, tellMtu, validateWith } from './devices.ts'
import { vmInfo } from './info.ts'
import { MachineLikeness, type Threads } from './likeness.ts'
import { Machine, portName } from './machine.ts'
import { mebibyte, type Nic } from './qemu-arguments.ts'
import { alreadyCreated, invalidConfig, memoryError, notCreated, notRunning, Refused } from './refused.ts'
import {
  cannotMake,
  type DiskConfig,
  type FsConfig,
  landlockRules,
  type NetConfig,
  type VmConfig,
  validate,
  vsockId,
} from './vm-config.ts'

/** Bytes by which memory grows. */
const memoryStep = 128 * 1024 * 1024
const teardownMilliseconds = 100

export interface Resize {
  readonly desired_vcpus?: number
  readonly desired_ram?: number
}

export interface ResizeDisk {
  readonly id?: string
  readonly desired_size?: number
}

export interface VmmOptions {
  readonly loop: Loop
  readonly version: string
  readonly pid: number
  /** Open. */
  readonly kvm: number
  readonly threads: Threads
  readonly report: (source: string, event: string, properties?: Record<string, string>) => void
  readonly exit: (code: number) => void
}

export class Vmm {
  readonly #options: VmmOptions
  readonly #nics: Nic[] = []
  #config: VmConfig | undefined
  #machine: Machine | undefined
  #likeness: MachineLikeness | undefined
  /** Bytes that the machine had at its boot, before any was added. */
  #bootSize = 0
  #paused = false
  #guestListens = false
  #vsockServed = false
  #ending = false
  /** The guest went down by itself; by a reset, for which the real program starts it anew. */
  #down = false
  #reset = false
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: VmmOptions) {
    this.#options = options
  }

  /** One thing at a time: requests, and the new start of a guest that reset. */
  inTurn<T>(action: () => Promise<T> | T): Promise<T> {
    const done = this.#turn.then(action)
    this.#turn = done.catch(() => {})
    return done
  }

  ping() {
    const { version, pid } = this.#options
    const build_version = `v${version.replace(/\.0$/, '')}`
    return { build_version, version, pid, features: ['io_uring', 'kvm'] }
  }

  /** Only stores it: what is wrong with it shows at the boot. */
  create(given: Partial<VmConfig>): void {
    if (this.#config !== undefined) throw alreadyCreated()
    const config = withDefaults(given)
    const reason = cannotMake(given)
    if (reason !== undefined) throw new Error(reason)
    if (config.landlock_enable === true) restrictTo(landlockRules(config))
    this.#config = config
  }

  async delete(): Promise<void> {
    this.#created()
    if (this.#machine !== undefined) await this.stopMachine()
    this.#config = undefined
    this.#nics.length = 0
    this.#options.report('vm', 'deleted')
  }

  async boot(): Promise<void> {
    if (this.#machine !== undefined) throw alreadyCreated()
    this.#options.report('vm', 'booting')
    const config = this.#config
    if (config === undefined) throw new Refused(404, 'VM config is missing')
    validate(config)
    const { hugepages, hugepage_size } = config.memory
    if (hugepages === true && hugepage_size === undefined && !exists('/dev/hugepages'))
      throw memoryError('Failed to stat filesystem', 'No such file or directory (os error 2)')
    for (const nic of this.#nics) tellMtu(nic)
    this.#serveVsock(config)
    const { kvm, threads } = this.#options
    const likeness = new MachineLikeness(config, kvm, threads)
    try {
      this.#machine = await this.#start(config, likeness)
    } catch (error) {
      likeness.end()
      throw error
    }
    this.#likeness = likeness
    this.#bootSize ||= config.memory.size
    if (config.vsock !== undefined) config.vsock.id ??= vsockId
    this.#options.report('vm', 'booted')
  }

  #serveVsock({ vsock }: VmConfig): void {
    if (vsock === undefined || this.#vsockServed) return
    const guest = { isListening: () => this.#guestListens, port: portName() }
    serveVsock(this.#options.loop, vsock.socket, guest)
    this.#vsockServed = true
  }

  #start(config: VmConfig, likeness: MachineLikeness): Promise<Machine> {
    return Machine.start(this.#options.loop, config, this.#nics, {
      // The private directory is the one place where it may write.
      directory: config.vsock?.socket.replace(/\/[^/]*$/, '') ?? '/tmp',
      port: portName(),
      likeness,
      onEvent: (name, data) => this.#onEvent(name, data),
      onEnd: () => this.#onEnd(),
    })
  }

  info() {
    return vmInfo(this.#created(), this.#machine, this.#paused)
  }

  counters() {
    this.#running()
    return {}
  }

  async pause(): Promise<void> {
    const machine = this.#running()
    this.#options.report('vm', 'pausing')
    if (this.#paused)
      throw new Refused(
        500,
        'Cannot pause VM',
        'Failed to pause migratable component',
        noTransition('Paused'),
      )
    await machine.qmp.execute('stop')
    this.#paused = true
    this.#options.report('vm', 'paused')
  }

  async resume(): Promise<void> {
    const machine = this.#running()
    this.#options.report('vm', 'resuming')
    if (!this.#paused)
      throw new Refused(
        500,
        'Cannot resume VM',
        'Failed to resume migratable component',
        noTransition('Running'),
      )
    await machine.qmp.execute('cont')
    this.#paused = false
    this.#options.report('vm', 'resumed')
  }

  async addNet(config: NetConfig, taps: readonly number[]): Promise<unknown> {
    const vm = this.#with({ net: [config] })
    if (taps.length === 0) throw new Error('the double opens no tap: descriptors must come along')
    if ((config.num_queues ?? 2) !== 2 * taps.length)
      throw invalidConfig('Number of queues is not twice the number of descriptors')
    const nic = { config, taps }
    if (this.#machine !== undefined) tellMtu(nic)
    const bdf = await this.#machine?.addNic(nic)
    vm.net = [...(vm.net ?? []), config]
    this.#nics.push(nic)
    return bdf && added(config, bdf)
  }

  async addDisk(given: DiskConfig): Promise<unknown> {
    const config = diskWithDefaults(given)
    const vm = this.#with({ disks: [config] })
    const bdf = await this.#machine?.addDisk(config)
    vm.disks = [...(vm.disks ?? []), config]
    return bdf && added(config, bdf)
  }

  async addFs(config: FsConfig): Promise<unknown> {
    const vm = this.#with({ fs: [config] })
    const bdf = await this.#machine?.addFs(config)
    vm.fs = [...(vm.fs ?? []), config]
    return bdf && added(config, bdf)
  }

  /** The configuration, which would be valid with these devices too. */
  #with(devices: Pick<VmConfig, 'disks' | 'fs' | 'net'>): VmConfig {
    const vm = this.#created()
    validateWith(vm, devices)
    return vm
  }

  #created(): VmConfig {
    if (this.#config === undefined) throw notCreated()
    return this.#config
  }

  async removeDevice(id: string): Promise<void> {
    await this.#running().remove(id)
    forgetDevice(this.#created(), id)
  }

  /** A machine that does not run yet takes whatever it is told. */
  async resize({ desired_vcpus, desired_ram }: Resize): Promise<void> {
    const config = this.#created()
    if (this.#machine !== undefined) this.#options.report('vm', 'resizing')
    if (desired_vcpus !== undefined) {
      if (this.#machine !== undefined && desired_vcpus > config.cpus.max_vcpus)
        throw new Refused(500, 'Error from CPU manager', 'Requested vCPUs exceed maximum')
      config.cpus.boot_vcpus = desired_vcpus
    }
    if (desired_ram !== undefined) await this.#resizeMemory(config, desired_ram)
    if (this.#machine !== undefined) this.#options.report('vm', 'resized')
  }

  async resizeDisk({ id = '', desired_size = 0 }: ResizeDisk): Promise<void> {
    this.#created()
    await this.#running().resizeDisk(id, desired_size)
  }

  async #resizeMemory({ memory }: VmConfig, desired: number): Promise<void> {
    if (this.#machine !== undefined && desired > memory.size) {
      if ((desired - memory.size) % memoryStep !== 0)
        throw memoryError('The requested hotplug memory addition is not a valid size')
      if (desired > this.#bootSize + (memory.hotplug_size ?? 0))
        throw memoryError('Not enough space in the hotplug RAM region')
      await this.#machine.growTo(desired / mebibyte)
    }
    memory.size = desired
  }

  #running(): Machine {
    this.#created()
    if (this.#machine === undefined) throw notRunning()
    return this.#machine
  }

  async stopMachine(): Promise<void> {
    const machine = this.#running()
    this.#ending = true
    await machine.stop()
    this.#over()
    this.#ending = false
    this.#options.report('vm', 'shutdown')
  }

  #over(): void {
    this.#likeness?.end()
    this.#likeness = undefined
    this.#machine = undefined
    this.#guestListens = false
    this.#paused = false
  }

  /** The answer goes out first. */
  async shutDown(): Promise<void> {
    if (this.#config !== undefined) await this.delete()
    this.#options.report('vmm', 'shutdown')
    setTimeout(() => this.#options.exit(0), 0)
  }

  #onEvent(name: string, data: Record<string, unknown>): void {
    if (name === 'VSERPORT_CHANGE' && data.id === 'agent') this.#guestListens = data.open === true
    if (name === 'DEVICE_DELETED' && typeof data.device === 'string') void this.#forget(data.device)
    if (name !== 'SHUTDOWN' || data.guest !== true) return
    this.#reset = data.reason === 'guest-reset'
    this.#down = true
    if (this.#reset) this.#options.report('vm', 'rebooting')
  }

  async #forget(id: string): Promise<void> {
    const bdf = this.#machine?.bdf(id) ?? ''
    await this.#machine?.forget(id)
    this.#options.report('vm', 'device-removed', { id, bdf })
  }

  /** QEMU is gone: the guest went down, it reset and is started anew, or QEMU failed. */
  #onEnd(): void {
    if (this.#ending) return
    this.#over()
    if (this.#reset) {
      this.#reset = false
      void this.inTurn(() => this.#reboot())
    } else {
      // It tells of the end only when all is torn down.
      if (this.#down) this.#options.report('vm', 'shutdown')
      this.#options.report('vm', 'deleted')
      this.#options.report('vmm', 'shutdown')
      this.#options.exit(this.#down ? 0 : 1)
    }
  }

  /** The machine was torn down, which takes the real program a while. */
  async #reboot(): Promise<void> {
    const config = this.#config
    if (config === undefined || this.#machine !== undefined) return
    await sleep(teardownMilliseconds)
    try {
      const { kvm, threads, report } = this.#options
      this.#likeness = new MachineLikeness(config, kvm, threads)
      this.#machine = await this.#start(config, this.#likeness)
      report('vm', 'rebooted')
    } catch {
      this.#options.exit(1)
    }
  }
}

const added = ({ id = '' }: { readonly id?: string }, bdf: string) => ({ id, bdf })

const noTransition = (state: string) => `Invalid transition: InvalidStateTransition(${state}, ${state})`
