/**
 * Grows and shrinks a machine that runs. Memory comes as DIMMs, which a guest does not give back, or by virtio-mem,
 * which goes both ways. Processors are plugged and unplugged under KVM; under TCG the guest does not take a plugged one,
 * so all it may ever have are there from the start and the agent brings them online.
 */
import { KataError } from '../../../errors.ts'
import { until } from '../../../time.ts'
import { asObject } from '../../monitor/answers.ts'
import type { MachineSize, VmSpec } from '../../vmm.ts'
import { type MemorySettings, memoryBackend, memorySizes, virtioMemId } from '../settings/memory.ts'
import { presentVcpus } from '../settings/processors.ts'
import { EventWaits } from './event-waits.ts'
import type { QmpEvent } from './qmp.ts'
import type { Unplugs } from './unplug.ts'

export interface ResizeOptions {
  readonly spec: VmSpec
  readonly settings: MemorySettings & { readonly hostCpus: number }
  readonly execute: (command: string, args?: object) => Promise<unknown>
  readonly unplugs: Pick<Unplugs, 'remove' | 'takeGone'>
  /** @throws KataError VMM_NO_HUGEPAGES when the host has not so many MiB of them for this machine. */
  readonly requireHugePages: (memoryMiB: number) => void
}

/** How long the guest may take to accept or to give up memory, milliseconds. */
const guestMs = 10_000
/** How often virtio-mem is asked how far it is, milliseconds. */
const pollMs = 10
const mebibyte = 1024 * 1024
const virtioMemPath = `/machine/peripheral/${virtioMemId}`
/** `_OST` status codes of an insertion (ACPI 6.5, table 6.66); any other but "in progress" is a refusal. */
const ostSuccess = 0
const ostInProgress = 0x80

export class MachineResizer {
  readonly #options: ResizeOptions
  readonly #waits = new EventWaits()
  /** Ids of processors plugged after boot, the latest last. */
  #cpus: string[] = []
  #vcpus: number
  #memoryMiB: number
  #nextId = 1

  constructor(options: ResizeOptions) {
    this.#options = options
    this.#vcpus = Math.ceil(options.spec.vcpus)
    this.#memoryMiB = options.spec.memoryMiB
  }

  /** What the machine has now. */
  get memoryMiB(): number {
    return this.#memoryMiB
  }

  /** Likewise. A guest may give a processor up long after it was asked. */
  get vcpus(): number {
    this.#forgetGone()
    return this.#vcpus
  }

  event(event: QmpEvent): void {
    this.#waits.event(event)
  }

  /**
   * Goes as near to `wanted` as the machine can; returns what it then has. Memory grows by exactly the difference, which
   * must be whole memory blocks of the guest.
   *
   * @throws KataError VMM_MEMORY_SLOTS, VMM_MEMORY_REFUSED, VMM_NO_HUGEPAGES, VMM_COMMAND_FAILED; nothing has changed then.
   */
  async resize(wanted: MachineSize): Promise<MachineSize> {
    this.#memoryMiB = await this.#resizeMemory(wanted.memoryMiB)
    await this.#resizeProcessors(wanted.vcpus)
    return { vcpus: this.#vcpus, memoryMiB: this.#memoryMiB }
  }

  async #resizeMemory(wanted: number): Promise<number> {
    const { spec, settings } = this.#options
    const growth = wanted - this.#memoryMiB
    if (growth === 0) return wanted
    // QEMU takes or reserves them at once, but knows nothing of those that are promised to others.
    if (growth > 0 && settings.enableHugepages) this.#options.requireHugePages(growth)
    const { bootMiB, maxMiB } = memorySizes(spec, settings)
    if (settings.enableVirtioMem && maxMiB > bootMiB) return this.#request(Math.max(wanted, bootMiB), bootMiB)
    if (growth < 0) return this.#memoryMiB
    const slots = maxMiB > bootMiB ? settings.memorySlots : 0
    if (this.#nextId > slots) throw new KataError('VMM_MEMORY_SLOTS', { size: growth, slots })
    await this.#plugDimm(growth)
    return wanted
  }

  /** One more DIMM, waited for until the guest has taken it. */
  async #plugDimm(sizeMiB: number): Promise<void> {
    const { settings, execute } = this.#options
    const id = `dimm${this.#nextId}`
    const backend = memoryBackend(settings, `${id}-memory`, sizeMiB)
    await execute('object-add', backend)
    const answered = this.#waits.next((event) => isFinalOst(event, id), guestMs)
    try {
      await execute('device_add', { driver: 'pc-dimm', id, memdev: backend.id })
    } catch (error) {
      await execute('object-del', { id: backend.id })
      throw error
    }
    this.#nextId++
    const status = ostStatus(await answered)
    if (status === ostSuccess) return
    // Takes it out again if the guest lets it; if not, it only occupies its slot.
    await execute('device_del', { id }).catch(() => {})
    const answer = status === undefined ? `said nothing within ${guestMs / 1000} s` : `answered ${status}`
    throw new KataError('VMM_MEMORY_REFUSED', { size: sizeMiB, answer })
  }

  /** Asks virtio-mem for a size of the whole machine; what fails is asked back, or the guest could take it later, uncounted. */
  async #request(wanted: number, bootMiB: number): Promise<number> {
    try {
      return await this.#reach(wanted, bootMiB)
    } catch (error) {
      await this.#ask(this.#memoryMiB - bootMiB).catch(() => {})
      throw error
    }
  }

  #ask(sizeMiB: number): Promise<unknown> {
    const value = sizeMiB * mebibyte
    return this.#options.execute('qom-set', { path: virtioMemPath, property: 'requested-size', value })
  }

  /** Waits until the guest is there or makes no more progress. */
  async #reach(wanted: number, bootMiB: number): Promise<number> {
    const { execute } = this.#options
    const value = (wanted - bootMiB) * mebibyte
    await this.#ask(wanted - bootMiB)
    const size = async () => Number(await execute('qom-get', { path: virtioMemPath, property: 'size' }))
    const grows = wanted > this.#memoryMiB
    let now = 0
    const isThere = async () => {
      now = await size()
      return now === value
    }
    await until(isThere, { timeoutMs: guestMs, everyMs: pollMs })
    if (grows && now < value) {
      const answer = `took ${now / mebibyte} MiB within ${guestMs / 1000} s`
      throw new KataError('VMM_MEMORY_REFUSED', { size: value / mebibyte, answer })
    }
    // Or the guest could give up the rest later, uncounted.
    if (now !== value) await this.#ask(now / mebibyte)
    return bootMiB + now / mebibyte
  }

  async #resizeProcessors(wanted: number): Promise<void> {
    const { spec, settings } = this.#options
    const target = Math.max(wanted, Math.ceil(spec.vcpus))
    // Those that were brought online stay so: the agent's protocol has no call for the other way.
    if (spec.accelerator === 'tcg') {
      this.#vcpus = Math.max(this.#vcpus, Math.min(target, presentVcpus(spec, settings.hostCpus)))
      return
    }
    this.#forgetGone()
    while (this.#vcpus < target && (await this.#plugProcessor())) this.#vcpus++
    while (this.#vcpus > target && (await this.#unplugProcessor())) this.#vcpus--
  }

  /** False when the machine has no place for another. */
  async #plugProcessor(): Promise<boolean> {
    const { execute } = this.#options
    const places = (await execute('query-hotpluggable-cpus')) as unknown[]
    // One that has gone meanwhile may come again under its id.
    this.#forgetGone()
    const free = places
      .map((place) => asObject(place, 'a processor'))
      .filter((place) => !('qom-path' in place))
    // Numbers in the guest follow the sockets, and the list's order is QEMU's own.
    const place = free.sort((a, b) => socketOf(a) - socketOf(b))[0]
    if (place === undefined) return false
    const id = `cpu-${socketOf(place)}`
    await execute('device_add', { driver: place.type, id, ...asObject(place.props, 'props') })
    this.#cpus.push(id)
    return true
  }

  /** False when none of the plugged ones is left or the guest does not give the latest up. */
  async #unplugProcessor(): Promise<boolean> {
    const id = this.#cpus.at(-1)
    if (id === undefined) return false
    try {
      await this.#options.unplugs.remove(id, `processor ${id}`)
    } catch (error) {
      if (error instanceof KataError && error.code === 'VMM_UNPLUG_REFUSED') return false
      throw error
    }
    this.#cpus.pop()
    return true
  }

  #forgetGone(): void {
    const left = this.#cpus.filter((id) => !this.#options.unplugs.takeGone(id))
    this.#vcpus -= this.#cpus.length - left.length
    this.#cpus = left
  }
}

function socketOf(place: Record<string, unknown>): number {
  return Number(asObject(place.props, 'props')['socket-id'])
}

function isFinalOst({ name, data }: QmpEvent, device: string): boolean {
  if (name !== 'ACPI_DEVICE_OST') return false
  const info = asObject(data.info, 'info')
  return info.device === device && info.status !== ostInProgress
}

function ostStatus(event: QmpEvent | undefined): number | undefined {
  return event && Number(asObject(event.data.info, 'info').status)
}
