/** The machine underneath: QEMU's microvm with TCG, whose devices are virtio-mmio and found over ACPI as Firecracker's. */
import { listen, memoryFile, pid, qemuStarter, send, socketPair, tscKilohertz } from 'double'
import { stat } from 'os'
import { strerror } from 'std'
import { close, open } from 'syscalls'
import type { Loop } from '../../../../guest/agent/src/devices/loop.ts'
import { Descriptors } from '../../common/src/descriptors.ts'
import { guestCpu, quietMachine } from '../../common/src/qemu-arguments.ts'
import { Qmp, type QmpEvents } from '../../common/src/qmp.ts'
import { throttle } from '../../common/src/throttle.ts'
import type { Balloon, BootSource, Drive, MachineConfiguration, NetworkInterface } from './requests.ts'

const [O_RDONLY, O_RDWR] = [0, 2]
const [typeMask, blockType] = [0o170000, 0o060000]

/** The last of its 24 transports: the guest finds that one first. Interrupts of the first ones do not reach it. */
const lastBus = 23

/** A drive, and what lies behind it: open from the moment on at which it was named, here as well as in QEMU. */
export interface OpenDrive {
  readonly config: Drive
  readonly fd: number
  readonly isBlock: boolean
}

export interface MachineOptions {
  readonly boot: BootSource
  readonly config: MachineConfiguration
  readonly drives: readonly OpenDrive[]
  readonly nics: readonly { readonly config: NetworkInterface; readonly tap: number }[]
  readonly hasEntropy: boolean
  readonly balloon: Balloon | undefined
  readonly onEvent: QmpEvents
  readonly onEnd: () => void
}

export class Machine {
  readonly qmp: Qmp
  readonly #sets: Map<string, number>
  #nextSet: number

  private constructor(qmp: Qmp, sets: Map<string, number>) {
    this.qmp = qmp
    this.#sets = sets
    this.#nextSet = sets.size + 1
  }

  /** Opens what the configuration names, starts QEMU and lets the guest run once QEMU answers. Throws with a reason. */
  static async start(loop: Loop, options: MachineOptions): Promise<Machine> {
    const given = new Descriptors()
    const [ours, theirs] = socketPair()
    const sets = new Map<string, number>()
    const args = [
      ...baseArguments(options, given, given.give(theirs)),
      ...deviceArguments(options, given, sets),
    ]
    const starter = qemuStarter()
    send(starter, args.join('\n'), given.fds)
    close(starter)
    given.close()
    const qmp = new Qmp(loop, ours, options.onEvent, options.onEnd)
    await qmp.execute('qmp_capabilities')
    for (const { config } of options.drives) await throttle(qmp, config.drive_id, config.rate_limiter)
    await qmp.execute('cont')
    return new Machine(qmp, sets)
  }

  /** Has the guest see what lies behind the drive now. */
  async setDrive(drive: OpenDrive): Promise<void> {
    const { config } = drive
    const { drive_id: id, is_read_only } = config
    const before = this.#sets.get(id)!
    const set = await this.#addFile(drive)
    const size = await this.#sizeOf(fileName(id, set))
    // QEMU tells guests of the size of what it can write only: for a moment there is something of that size.
    const empty = is_read_only === true ? emptyDrive(id, size) : undefined
    const first = empty === undefined ? set : await this.#addFile(empty)
    if (empty !== undefined) close(empty.fd)
    await this.qmp.execute('blockdev-reopen', { options: [rawNode({ drive_id: id }, first)] })
    await this.qmp.execute('block_resize', { 'node-name': id, size })
    this.#sets.set(id, set)
    if (first !== set) {
      await this.qmp.execute('blockdev-reopen', { options: [rawNode(config, set)] })
      await this.#removeFile(id, first)
    }
    await this.#removeFile(id, before)
    await throttle(this.qmp, id, config.rate_limiter)
  }

  /** The number of its new set of descriptors. */
  async #addFile(drive: OpenDrive): Promise<number> {
    const set = this.#nextSet++
    await this.qmp.execute('add-fd', { 'fdset-id': set }, [drive.fd])
    await this.qmp.execute('blockdev-add', fileNode(drive, set))
    return set
  }

  async #removeFile(id: string, set: number): Promise<void> {
    await this.qmp.execute('blockdev-del', { 'node-name': fileName(id, set) })
    await this.qmp.execute('remove-fd', { 'fdset-id': set })
  }

  async #sizeOf(node: string): Promise<number> {
    const nodes = (await this.qmp.execute('query-named-block-nodes', { flat: true })) as {
      'node-name': string
      image: { 'virtual-size': number }
    }[]
    return nodes.find((other) => other['node-name'] === node)!.image['virtual-size']
  }
}

/** As the real program opens it: for writing unless it is read-only. Throws with a reason. */
export function openDrive(config: Drive): OpenDrive {
  const { path_on_host: path, is_read_only } = config
  if (path === undefined) throw new Error('the double has no vhost-user drives')
  try {
    const fd = open(path, is_read_only === true ? O_RDONLY : O_RDWR, 0)
    return { config, fd, isBlock: ((stat(path)[0]?.mode ?? 0) & typeMask) === blockType }
  } catch (error) {
    const reason = `Error manipulating the backing file: ${osError(error)} ${path}`
    throw new Error(`Unable to create the virtio block device: Virtio backend error: ${reason}`)
  }
}

/** As Rust tells of what the system refused. */
export function osError(error: unknown): string {
  const { errno } = error as { errno: number }
  return `${strerror(errno)} (os error ${errno})`
}

const emptyDrive = (drive_id: string, size: number): OpenDrive => ({
  config: { drive_id, is_root_device: false },
  fd: memoryFile(size),
  isBlock: false,
})

function baseArguments({ boot, config }: MachineOptions, given: Descriptors, qmp: number): string[] {
  // The microvm has no other clock, and a guest on a busy host could not find out how fast this one runs.
  const append = `${boot.boot_args ?? ''} tsc_early_khz=${tscKilohertz()}`
  const memory = memoryOf(config)
  return [
    // With the firmware that is its default a guest with six disks and more does not get past ACPI.
    ...['-name', 'firecracker-double', '-L', 'share/qemu', '-bios', 'qboot.rom'],
    ...['-machine', `microvm,acpi=on,pit=on,pic=on,rtc=on,isa-serial=off${memory.machine}`, ...guestCpu],
    ...['-smp', `cpus=${config.vcpu_count}`, '-m', `size=${config.mem_size_mib}M`, ...quietMachine],
    ...memory.backend,
    ...['-kernel', boot.kernel_image_path, '-append', append],
    ...(boot.initrd_path === undefined ? [] : ['-initrd', boot.initrd_path]),
    ...['-chardev', `socket,id=qmp,fd=${qmp}`, '-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', `socket,id=console,fd=${given.lend(1)}`, '-device', 'isa-serial,chardev=console'],
    // By the keyboard's controller the guest resets; a guest that is switched off stands still.
    ...['-device', 'i8042', '-action', 'shutdown=pause'],
  ]
}

function memoryOf({ mem_size_mib, huge_pages }: MachineConfiguration) {
  if (huge_pages !== '2M') return { machine: '', backend: [] }
  // As the real program has them: taken when the guest touches them, and not reserved.
  const backend = `memory-backend-memfd,id=memory,size=${mem_size_mib}M,hugetlb=on,prealloc=off,reserve=off`
  return { machine: ',memory-backend=memory', backend: ['-object', backend] }
}

/** In the order in which the guest finds them: drives, with the root first, and then the others. */
function deviceArguments(options: MachineOptions, given: Descriptors, sets: Map<string, number>): string[] {
  let next = lastBus
  const bus = () => `bus=virtio-mmio-bus.${next--}`
  const args: string[] = []
  for (const drive of options.drives) {
    const { drive_id: id } = drive.config
    const set = sets.size + 1
    sets.set(id, set)
    args.push('-add-fd', `fd=${given.lend(drive.fd)},set=${set}`)
    for (const node of [fileNode(drive, set), rawNode(drive.config, set)])
      args.push('-blockdev', JSON.stringify(node))
    args.push('-device', `virtio-blk-device,id=${id},drive=${id},${bus()}`)
  }
  for (const { config, tap } of options.nics) {
    const { iface_id: id, guest_mac } = config
    args.push('-netdev', `tap,id=net-${id},fd=${given.lend(tap)}`)
    args.push('-device', `virtio-net-device,id=${id},netdev=net-${id},mac=${guest_mac},${bus()}`)
  }
  const agent = given.give(listen(portName()))
  args.push('-device', `virtio-serial-device,id=serial,max_ports=2,${bus()}`)
  args.push('-chardev', `socket,id=agent,fd=${agent},server=on,wait=off`)
  args.push('-device', 'virtserialport,id=agent,bus=serial.0,chardev=agent,name=agent.channel.0')
  if (options.hasEntropy)
    args.push('-object', 'rng-builtin,id=entropy', '-device', `virtio-rng-device,rng=entropy,${bus()}`)
  if (options.balloon?.free_page_reporting === true)
    args.push('-device', `virtio-balloon-device,free-page-reporting=on,${bus()}`)
  return args
}

const fileName = (id: string, set: number) => `${id}-${set}`

function fileNode({ config: { drive_id, is_read_only }, isBlock }: OpenDrive, set: number) {
  return {
    driver: isBlock ? 'host_device' : 'file',
    'node-name': fileName(drive_id, set),
    filename: `/dev/fdset/${set}`,
    'read-only': is_read_only === true,
    aio: 'threads',
    locking: 'off',
  }
}

function rawNode({ drive_id, is_read_only }: Pick<Drive, 'drive_id' | 'is_read_only'>, set: number) {
  return {
    driver: 'raw',
    'node-name': drive_id,
    file: fileName(drive_id, set),
    'read-only': is_read_only === true,
  }
}

/** A name that no other double has, in the abstract namespace of the machine's own network. */
export const portName = (): string => `@firecracker-double-${pid()}`
