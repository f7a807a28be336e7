/** What QEMU is started with, and how it is told of devices. */
import { connect, listen } from 'double'
import { open } from 'syscalls'
import type { Descriptors } from '../../common/src/descriptors.ts'
import { guestCpu, quietMachine } from '../../common/src/qemu-arguments.ts'
import { deviceError, osError } from './refused.ts'
import type { DiskConfig, FsConfig, NetConfig, VmConfig } from './vm-config.ts'

const [O_RDONLY, O_RDWR, O_DIRECT] = [0, 2, 0o40000]
/** The serial port that stands in for vsock, and the source of entropy. */
export const [vsockSlot, rngSlot] = [0x1e, 0x1f]
const balloonSlot = 0x1d
/** Those of disks, shares and cards: QEMU's own bridge and host have the ones before. */
export const deviceSlots = { first: 3, last: balloonSlot - 1 } as const
/** Processors beyond those at boot that the machine has in store; the guest brings them online when it is told to. */
const spareCpus = 3
export const mebibyte = 1024 * 1024

/** A network card with the descriptors of its taps. */
export interface Nic {
  readonly config: NetConfig
  readonly taps: readonly number[]
}

export function baseArguments(
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
  `virtio-balloon-pci,addr=0x${balloonSlot.toString(16)},free-page-reporting=${onOff(free_page_reporting)}`

export function openDisk({ path, readonly, direct }: DiskConfig): number {
  if (path === undefined) throw deviceError('No disk path was specified when one was expected')
  try {
    return open(path, (readonly === true ? O_RDONLY : O_RDWR) | (direct === true ? O_DIRECT : 0), 0)
  } catch (error) {
    throw deviceError('Cannot open disk path', `I/O error (path=${path} op=open)`, osError(error))
  }
}

/** QEMU takes a descriptor only for a node that is described exactly as it was opened. */
export function blockdev({ path = '', readonly, direct }: DiskConfig, id: string, set: number): string {
  return JSON.stringify({
    driver: path.startsWith('/disks/') ? 'host_device' : 'file',
    'node-name': id,
    filename: `/dev/fdset/${set}`,
    'read-only': readonly === true,
    aio: 'threads',
    cache: { direct: direct === true, 'no-flush': false },
  })
}

export function diskArgs(
  disk: DiskConfig,
  { fd, set, slot }: { fd: number; set: number; slot: number },
): string[] {
  const id = disk.id ?? `_disk${slot}`
  const device = `virtio-blk-pci,id=${id},drive=${id},bus=pci.0,addr=0x${slot.toString(16)}`
  return ['-add-fd', `fd=${fd},set=${set}`, '-blockdev', blockdev(disk, id, set), '-device', device]
}

/** `keep`: the connection stays open here as well, as the real VMM has it. */
export function fsArgs(
  { id = 'fs', tag, socket, queue_size }: FsConfig,
  slot: number,
  given: Descriptors,
  keep: boolean,
): string[] {
  const device = `vhost-user-fs-pci,id=${id},chardev=${id},tag=${tag},queue-size=${queue_size}`
  const fd = connect(socket)
  const chardev = `socket,id=${id},fd=${keep ? given.lend(fd) : given.give(fd)}`
  return ['-chardev', chardev, '-device', `${device},bus=pci.0,addr=0x${slot.toString(16)}`]
}

export function nicArgs({ config, taps }: Nic, slot: number, given: Descriptors): string[] {
  const id = config.id ?? `_net${slot}`
  const fds = taps.map((tap) => given.lend(tap))
  const netdev = `tap,id=net-${id},${fds.length === 1 ? `fd=${fds[0]}` : `fds=${fds.join(':')}`}`
  const properties = Object.entries(nicProperties(config, taps.length)).map(
    ([key, value]) => `,${key}=${value}`,
  )
  const device = `virtio-net-pci,id=${id},netdev=net-${id},bus=pci.0,addr=0x${slot.toString(16)},romfile=`
  return ['-netdev', netdev, '-device', `${device}${properties.join('')}`]
}

export function nicProperties({ mac, mtu }: NetConfig, queues: number): Record<string, string | number> {
  return {
    ...(mac === undefined ? {} : { mac }),
    ...(mtu === undefined ? {} : { host_mtu: mtu }),
    ...(queues > 1 ? { mq: 'on', vectors: 2 * queues + 2 } : {}),
  }
}
