/** The machine underneath: QEMU with TCG, given descriptors for everything that the double could open itself. */

import { connect, hasEnded, pid, socketPair, startQemu, writeFirmware } from 'double'
import { remove, setTimeout } from 'os'
import { close } from 'syscalls'
import type { Loop } from '../../../../guest/agent/src/devices/loop.ts'
import { Descriptors } from '../../common/src/descriptors.ts'
import { Qmp, type QmpEvents } from '../../common/src/qmp.ts'
import { throttle } from '../../common/src/throttle.ts'
import { diskThread, type MachineLikeness } from './likeness.ts'
import {
  baseArguments,
  blockdev,
  deviceSlots,
  diskArgs,
  fsArgs,
  mebibyte,
  type Nic,
  nicArgs,
  nicProperties,
  openDisk,
  rngSlot,
  vsockSlot,
} from './qemu-arguments.ts'
import { deviceError, Refused } from './refused.ts'
import type { DiskConfig, FsConfig, VmConfig } from './vm-config.ts'

interface Handlers {
  readonly directory: string
  readonly port: string
  readonly likeness: MachineLikeness
  readonly onEvent: QmpEvents
  readonly onEnd: () => void
}

export class Machine {
  readonly qmp: Qmp
  readonly pid: number
  readonly #likeness: MachineLikeness
  readonly #memory: { slots: number; sizeMiB: number }
  readonly #slots = new Map<string, number>()
  /** QEMU's set with the descriptor of each disk. */
  readonly #sets = new Map<string, number>()
  #nextSet = 1

  private constructor(qmp: Qmp, pid: number, likeness: MachineLikeness, sizeMiB: number) {
    this.qmp = qmp
    this.pid = pid
    this.#likeness = likeness
    this.#memory = { slots: 0, sizeMiB }
  }

  /** Opens what the configuration names, starts QEMU and lets the guest run once QEMU answers. Throws with a reason. */
  static async start(
    loop: Loop,
    config: VmConfig,
    nics: readonly Nic[],
    handlers: Handlers,
  ): Promise<Machine> {
    const { likeness } = handlers
    const given = new Descriptors()
    const [ours, theirs] = socketPair()
    const qmpFd = given.give(theirs)
    const args = baseArguments(config, qmpFd, given, handlers)
    const cold = new Map<string, number>()
    const limited: [id: string, limiter: DiskConfig['rate_limiter_config']][] = []
    let set = 1
    let slot: number = deviceSlots.first
    for (const disk of config.disks ?? []) {
      limited.push([disk.id ?? `_disk${slot}`, disk.rate_limiter_config])
      cold.set(disk.id ?? `_disk${slot}`, slot)
      const fd = openDisk(disk)
      likeness.add(disk.id ?? `_disk${slot}`, [diskThread(disk.id ?? `_disk${slot}`)], [fd])
      args.push(...diskArgs(disk, { fd: given.lend(fd), set: set++, slot: slot++ }))
    }
    for (const [index, share] of (config.fs ?? []).entries()) {
      cold.set(share.id ?? `_fs${slot}`, slot)
      // The monitor's connection counts for the first one's (../differences.ts).
      args.push(...fsArgs(share, slot++, given, index > 0))
    }
    for (const nic of nics) {
      cold.set(nic.config.id ?? `_net${slot}`, slot)
      likeness.addCard(nic.config.id ?? `_net${slot}`, nic.taps.length)
      args.push(...nicArgs(nic, slot++, given))
    }
    const firmware = writeFirmware(handlers.directory)
    const child = startQemu(args, given.fds)
    given.close()
    const qmp = new Qmp(loop, ours, handlers.onEvent, handlers.onEnd)
    const machine = new Machine(qmp, child, likeness, config.memory.size / mebibyte)
    for (const [id, at] of cold) machine.#slots.set(id, at)
    machine.#nextSet = set
    try {
      await qmp.execute('qmp_capabilities')
      for (const [id, limiter] of limited) await throttle(qmp, backendOf(id), limiter)
      await qmp.execute('cont')
    } finally {
      for (const path of firmware) remove(path)
    }
    return machine
  }

  /** Ends QEMU and waits for it. */
  async stop(): Promise<void> {
    await this.qmp.execute('quit').catch(() => {})
    while (!hasEnded(this.pid)) await new Promise<void>((resolve) => setTimeout(resolve, 5))
  }

  async addDisk(config: DiskConfig): Promise<string> {
    const id = config.id ?? `_disk${this.#freeSlot()}`
    const fd = openDisk(config)
    this.#likeness.add(id, [diskThread(id)], [fd])
    const set = this.#nextSet++
    this.#sets.set(id, set)
    try {
      await this.qmp.execute('add-fd', { 'fdset-id': set }, [fd])
      await this.qmp.execute('blockdev-add', JSON.parse(blockdev(config, id, set)))
    } catch (error) {
      this.#likeness.remove(id)
      throw error
    }
    const place = await this.#plug(id, { driver: 'virtio-blk-pci', drive: id, serial: id.slice(0, 20) })
    await throttle(this.qmp, backendOf(id), config.rate_limiter_config)
    return place
  }

  /** A block device has the size already, or it is refused: QEMU does both. */
  async resizeDisk(id: string, size: number): Promise<void> {
    if (!this.#slots.has(id)) throw new Refused(404, `No disk has the identifier ${id}`)
    await this.qmp.execute('block_resize', { 'node-name': id, size })
  }

  async addFs({ id = `_fs${this.#freeSlot()}`, tag, socket, queue_size }: FsConfig): Promise<string> {
    const fd = connect(socket)
    try {
      await this.qmp.execute('getfd', { fdname: id }, [fd])
    } finally {
      close(fd)
    }
    this.#likeness.add(id, [id])
    const addr = { type: 'fd', data: { str: id } }
    await this.qmp.execute('chardev-add', { id, backend: { type: 'socket', data: { addr, server: false } } })
    return this.#plug(id, { driver: 'vhost-user-fs-pci', chardev: id, tag, 'queue-size': queue_size })
  }

  async addNic({ config, taps }: Nic): Promise<string> {
    const id = config.id ?? `_net${this.#freeSlot()}`
    const names = taps.map((_, index) => `${id}-${index}`)
    for (const [index, tap] of taps.entries())
      await this.qmp.execute('getfd', { fdname: names[index] }, [tap])
    const fds = names.length === 1 ? { fd: names[0] } : { fds: names.join(':') }
    await this.qmp.execute('netdev_add', { type: 'tap', id: `net-${id}`, ...fds })
    this.#likeness.addCard(id, taps.length)
    return this.#plug(id, {
      driver: 'virtio-net-pci',
      netdev: `net-${id}`,
      ...nicProperties(config, taps.length),
    })
  }

  /** Asks the guest to let go of a device; it is gone when QEMU says so. */
  async remove(id: string): Promise<void> {
    if (!this.#slots.has(id))
      throw deviceError(`Failed to find device corresponding to the given identifier: ${id}`)
    await this.qmp.execute('device_del', { id })
  }

  /** After QEMU said that a device is gone. */
  async forget(id: string): Promise<void> {
    await this.qmp.execute('blockdev-del', { 'node-name': id }).catch(() => {})
    await this.qmp.execute('netdev_del', { id: `net-${id}` }).catch(() => {})
    const set = this.#sets.get(id)
    if (set !== undefined) await this.qmp.execute('remove-fd', { 'fdset-id': set }).catch(() => {})
    this.#likeness.remove(id)
    this.#sets.delete(id)
    this.#slots.delete(id)
  }

  get devices(): readonly string[] {
    return [...this.#slots.keys()]
  }

  /** Adds memory up to `sizeMiB`; there is no way back. */
  async growTo(sizeMiB: number): Promise<void> {
    const more = sizeMiB - this.#memory.sizeMiB
    if (more <= 0) return
    const id = `mem${this.#memory.slots++}`
    const size = more * mebibyte
    await this.qmp.execute('object-add', { 'qom-type': 'memory-backend-memfd', id, size, share: true })
    await this.qmp.execute('device_add', { driver: 'pc-dimm', id: `dimm-${id}`, memdev: id })
    this.#memory.sizeMiB = sizeMiB
  }

  async #plug(id: string, device: Record<string, unknown>): Promise<string> {
    const slot = this.#freeSlot()
    this.#slots.set(id, slot)
    try {
      await this.qmp.execute('device_add', { ...device, id, bus: 'pci.0', addr: slot.toString(16) })
    } catch (error) {
      this.#slots.delete(id)
      throw error
    }
    return this.bdf(id)
  }

  /** The lowest one, so that those of devices that are gone serve again. */
  #freeSlot(): number {
    const taken = new Set(this.#slots.values())
    let slot: number = deviceSlots.first
    while (taken.has(slot)) slot++
    if (slot > deviceSlots.last) throw deviceError('No free PCI device slot available')
    return slot
  }

  /** As the API writes addresses. */
  bdf(id: string): string {
    return address(this.#slots.get(id) ?? 0)
  }

  readonly placeOfRng = address(rngSlot)
  readonly placeOfVsock = address(vsockSlot)
}

/** A disk's part that has the file. The one with its own name is the PCI device. */
const backendOf = (id: string): string => `/machine/peripheral/${id}/virtio-backend`
const address = (slot: number): string => `0000:00:${slot.toString(16).padStart(2, '0')}.0`

/** A name that no other double has, in the abstract namespace. */
export const portName = (): string => `@cloud-hypervisor-double-${pid()}`
