/** The machine underneath: QEMU with TCG, given descriptors for everything that the double could open itself. */

import { connect, hasEnded, listen, pid, socketPair, startQemu, writeFirmware } from 'double'
import { remove, setTimeout } from 'os'
import { close, open } from 'syscalls'
import type { Loop } from '../../../../guest/agent/src/loop.ts'
import { Descriptors } from '../../common/src/descriptors.ts'
import { guestCpu, quietMachine } from '../../common/src/qemu-arguments.ts'
import { Qmp, type QmpEvents } from '../../common/src/qmp.ts'
import { diskThread, type MachineLikeness } from './likeness.ts'
import { deviceError, osError } from './refused.ts'
import type { DiskConfig, FsConfig, NetConfig, VmConfig } from './vm-config.ts'

const [O_RDONLY, O_RDWR, O_DIRECT] = [0, 2, 0o40000]
/** The serial port that stands in for vsock, and the source of entropy. */
const [vsockSlot, rngSlot] = [0x1e, 0x1f]
/** Processors beyond those at boot that the machine has in store; the guest brings them online when it is told to. */
const spareCpus = 3
const mebibyte = 1024 * 1024

/** A network card with the descriptors of its taps. */
export interface Nic {
  readonly config: NetConfig
  readonly taps: readonly number[]
}

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
  #nextSlot = 3

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
    let set = 1
    let slot = 3
    for (const disk of config.disks ?? []) {
      cold.set(disk.id ?? `_disk${slot}`, slot)
      const fd = openDisk(disk)
      likeness.add(disk.id ?? `_disk${slot}`, [diskThread(disk.id ?? `_disk${slot}`)], [fd])
      args.push(...diskArgs(disk, { fd: given.lend(fd), set: set++, slot: slot++ }))
    }
    for (const share of config.fs ?? []) {
      cold.set(share.id ?? `_fs${slot}`, slot)
      args.push(...fsArgs(share, slot++, given))
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
    machine.#nextSlot = slot
    try {
      await qmp.execute('qmp_capabilities')
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
    const id = config.id ?? `_disk${this.#nextSlot}`
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
    return this.#plug(id, { driver: 'virtio-blk-pci', drive: id, serial: id.slice(0, 20) })
  }

  async addFs({ id = `_fs${this.#nextSlot}`, tag, socket, queue_size }: FsConfig): Promise<string> {
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
    const id = config.id ?? `_net${this.#nextSlot}`
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
    const slot = this.#nextSlot++
    await this.qmp.execute('device_add', { ...device, id, bus: 'pci.0', addr: slot.toString(16) })
    this.#slots.set(id, slot)
    return this.bdf(id)
  }

  /** As the API writes addresses. */
  bdf(id: string): string {
    return address(this.#slots.get(id) ?? 0)
  }

  readonly placeOfRng = address(rngSlot)
  readonly placeOfVsock = address(vsockSlot)
}

const address = (slot: number): string => `0000:00:${slot.toString(16).padStart(2, '0')}.0`

function baseArguments(
  { cpus, memory, payload, rng, balloon }: VmConfig,
  qmp: number,
  given: Descriptors,
  { directory, port }: { directory: string; port: string },
): string[] {
  const most = Math.min(cpus.max_vcpus, cpus.boot_vcpus + spareCpus)
  const sizeMiB = memory.size / mebibyte
  const room =
    memory.hotplug_size === undefined ? '' : `,slots=8,maxmem=${sizeMiB + memory.hotplug_size / mebibyte}M`
  // lpj: calibrating a second processor takes seconds under TCG and fails.
  const own = most > 1 ? ` maxcpus=${cpus.boot_vcpus} lpj=10000000` : ''
  const consoleFd = given.lend(1)
  const agentFd = given.give(listen(port))
  return [
    ...['qemu-system-x86_64', '-name', 'cloud-hypervisor-double', '-L', directory],
    ...['-machine', 'pc,memory-backend=mem,vmport=off,smm=off,usb=off,i8042=off', ...guestCpu],
    ...['-smp', `cpus=${most}`, '-m', `size=${sizeMiB}M${room}`, ...quietMachine],
    ...['-object', `memory-backend-memfd,id=mem,size=${sizeMiB}M,share=on${memoryOptions(memory)}`],
    ...['-kernel', payload?.kernel ?? '', '-append', `${payload?.cmdline ?? ''}${own}`],
    ...(payload?.initramfs === undefined ? [] : ['-initrd', payload.initramfs]),
    ...['-chardev', `socket,id=qmp,fd=${qmp}`, '-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', `socket,id=console,fd=${consoleFd}`, '-device', 'isa-serial,chardev=console'],
    ...['-device', `virtio-serial-pci,id=serial,max_ports=2,addr=0x${vsockSlot.toString(16)}`],
    ...['-chardev', `socket,id=agent,fd=${agentFd},server=on,wait=off`],
    ...['-device', 'virtserialport,id=agent,bus=serial.0,chardev=agent,name=agent.channel.0'],
    ...['-object', `rng-random,id=entropy,filename=${rng?.src ?? '/dev/urandom'}`],
    ...['-device', `virtio-rng-pci,rng=entropy,addr=0x${rngSlot.toString(16)}`],
    ...(balloon === undefined ? [] : ['-device', balloonDevice(balloon)]),
  ]
}

const onOff = (value = false) => (value ? 'on' : 'off')
const memoryOptions = ({ hugepages, hugepage_size, prefault }: VmConfig['memory']) =>
  `,hugetlb=${onOff(hugepages)}${hugepage_size === undefined ? '' : `,hugetlbsize=${hugepage_size}`},prealloc=${onOff(prefault)}`
const balloonDevice = ({ free_page_reporting }: NonNullable<VmConfig['balloon']>) =>
  `virtio-balloon-pci,addr=0x1d,free-page-reporting=${onOff(free_page_reporting)}`

function openDisk({ path, readonly, direct }: DiskConfig): number {
  if (path === undefined) throw deviceError('No disk path was specified when one was expected')
  try {
    return open(path, (readonly === true ? O_RDONLY : O_RDWR) | (direct === true ? O_DIRECT : 0), 0)
  } catch (error) {
    throw deviceError('Cannot open disk path', `I/O error (path=${path} op=open)`, osError(error))
  }
}

/** QEMU takes a descriptor only for a node that is described exactly as it was opened. */
function blockdev({ path = '', readonly, direct }: DiskConfig, id: string, set: number): string {
  return JSON.stringify({
    driver: path.startsWith('/disks/') ? 'host_device' : 'file',
    'node-name': id,
    filename: `/dev/fdset/${set}`,
    'read-only': readonly === true,
    aio: 'threads',
    cache: { direct: direct === true, 'no-flush': false },
  })
}

function diskArgs(disk: DiskConfig, { fd, set, slot }: { fd: number; set: number; slot: number }): string[] {
  const id = disk.id ?? `_disk${slot}`
  const device = `virtio-blk-pci,id=${id},drive=${id},bus=pci.0,addr=0x${slot.toString(16)}`
  return ['-add-fd', `fd=${fd},set=${set}`, '-blockdev', blockdev(disk, id, set), '-device', device]
}

function fsArgs(
  { id = 'fs', tag, socket, queue_size }: FsConfig,
  slot: number,
  given: Descriptors,
): string[] {
  const device = `vhost-user-fs-pci,id=${id},chardev=${id},tag=${tag},queue-size=${queue_size}`
  const chardev = `socket,id=${id},fd=${given.give(connect(socket))}`
  return ['-chardev', chardev, '-device', `${device},bus=pci.0,addr=0x${slot.toString(16)}`]
}

function nicArgs({ config, taps }: Nic, slot: number, given: Descriptors): string[] {
  const id = config.id ?? `_net${slot}`
  const fds = taps.map((tap) => given.lend(tap))
  const netdev = `tap,id=net-${id},${fds.length === 1 ? `fd=${fds[0]}` : `fds=${fds.join(':')}`}`
  const properties = Object.entries(nicProperties(config, taps.length)).map(
    ([key, value]) => `,${key}=${value}`,
  )
  const device = `virtio-net-pci,id=${id},netdev=net-${id},bus=pci.0,addr=0x${slot.toString(16)},romfile=`
  return ['-netdev', netdev, '-device', `${device}${properties.join('')}`]
}

function nicProperties({ mac, mtu }: NetConfig, queues: number): Record<string, string | number> {
  return {
    ...(mac === undefined ? {} : { mac }),
    ...(mtu === undefined ? {} : { host_mtu: mtu }),
    ...(queues > 1 ? { mq: 'on', vectors: 2 * queues + 2 } : {}),
  }
}

/** A name that no other double has, in the abstract namespace. */
export const portName = (): string => `@cloud-hypervisor-double-${pid()}`
