/**
 * From the machine asked for, the configuration and the host's facts to all of QEMU's arguments, the descriptors that go with
 * them and the paths that the jail shows. Pure: the same input gives the same arguments, and no value can become an option of
 * its own.
 */
import type { HypervisorConfig } from '../../../config/config.ts'
import { KataError } from '../../../errors.ts'
import { agentPort } from '../../../protocol/agent-endpoint.ts'
import type { JailPath } from '../../../rootless/jail/launch-spec.ts'
import type { LimitConfig } from '../../machine/disk-limit.ts'
import type { MachineSpec, VsockAttachment } from '../../vmm.ts'
import type { HostFacts } from '../host-facts.ts'
import { coldVfioArgs } from './cold-vfio.ts'
import { configuredLimit } from './disk-settings.ts'
import { type FdRole, firstFd, type HandedOver, handedOver, takesKvm, vfioRole } from './handed-over.ts'
import { qemuKernelCommandLine } from './kernel-command-line.ts'
import { type MemorySettings, memoryArgs } from './memory.ts'
import { nicBackend, nicDevice } from './nic.ts'
import { deviceArgument } from './option-list.ts'
import { processorsOption } from './processors.ts'
import { RootPorts, rootPortArgs, rootPortCount } from './root-ports.ts'
import { shareBackend, shareDevice, sharesOf } from './share.ts'
import { memoryFile, memoryFileOf, plugsLate, savedFiles } from './template.ts'

/** The fields of the configuration that arguments are made of, as they are there, and the host's facts. */
export type MachineSettings = MemorySettings &
  LimitConfig &
  Pick<
    HypervisorConfig,
    'machineType' | 'cpuFeatures' | 'pcieRootPort' | 'seccompSandbox' | 'entropySource'
  > &
  HostFacts

export interface QemuCommandLine {
  readonly args: readonly string[]
  /** In the order of their numbers, which begin with {@link firstFd}. */
  readonly descriptors: readonly HandedOver[]
  /** All that QEMU opens by path. */
  readonly paths: readonly JailPath[]
}

const rootBus = 'pcie.0'
/** QEMU's name for the agent's port, as events name it. */
export const agentPortId = 'agent'

const guestKernel = '/boot/vmlinux'
const guestInitrd = '/boot/initrd'
/** Far above a kernel (16 to some 100 MiB) where there is room, and as far as it goes in a small machine. */
const initrdAddress = (memoryMiB: number) => (memoryMiB >= 512 ? '0x10000000' : '0x7000000')
/** Descriptor set of /dev/kvm; the root disk's is 1. */
const kvmSet = 2
/** Translated code, MiB: bounds what a busy TCG guest adds to the VMM's memory (QEMU's own limit is 1024). */
const translationBufferMiB = 128
/** The emulated fast-string instructions copy a byte at a time; without them the guest takes its vector loops. */
const tcgCpu = 'max,-erms,-fsrm,-fsrs,-fzrm'
/**
 * What of the host's kernel a container needs no part of, off unless `cpu_features`, which comes after, asks for it: its
 * performance counters and nested virtualisation.
 */
const offUnlessAsked = 'pmu=off,vmx=off,svm=off'
/** Everything a container's guest has no driver work to do for. */
const leftOut = ['sata', 'usb', 'hpet', 'vmport', 'smm', 'smbus', 'i8042', 'dump-guest-core']

/**
 * @throws KataError VMM_OPTION_INVALID for a value that QEMU would read as something else, VMM_NO_FREE_PORT for more devices
 *   than there are root ports.
 */
export function qemuCommandLine(spec: MachineSpec, settings: MachineSettings): QemuCommandLine {
  const descriptors = handedOver(spec)
  const fd = (role: FdRole) => firstFd + descriptors.findIndex((one) => one.role === role)
  const ports = rootPortCount(spec, settings)
  const args = [
    ...machineArgs(spec, settings, fd),
    ...rootPortArgs(ports),
    ...deviceArgs(spec, settings, fd),
    // They take root ports, as ../monitor/vfio.ts does for them.
    ...coldVfioArgs(spec.vfio ?? [], new RootPorts(ports), (id) => fd(vfioRole(id))),
  ]
  return { args, descriptors, paths: jailPaths(spec, settings) }
}

/** The number of a descriptor in QEMU. */
type Numbers = (role: FdRole) => number

/** The machine with what every guest has. */
function machineArgs(spec: MachineSpec, settings: MachineSettings, fd: Numbers): string[] {
  const listener = (role: FdRole) => `socket,id=${role},fd=${fd(role)},server=on,wait=off`
  return [
    ...['-name', `sandbox-${checked(spec.sandboxId, 'sandbox id')},debug-threads=on`],
    ...(takesKvm(spec) ? ['-add-fd', `fd=${fd('kvm')},set=${kvmSet}`] : []),
    ...['-machine', machine(settings), '-accel', accelerator(spec), '-cpu', cpu(spec, settings)],
    ...['-smp', processorsOption(spec, settings.hostCpus)],
    ...memoryArgs(spec, settings),
    ...['-no-user-config', '-nodefaults', '-display', 'none', '-no-reboot', '-S'],
    ...['-sandbox', settings.seccompSandbox, '-msg', 'timestamp=on'],
    ...['-rtc', 'base=utc,clock=host'],
    ...(savedFiles(spec) === undefined ? bootArgs(spec, settings) : ['-incoming', 'defer']),
    ...['-chardev', listener('qmp'), '-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', listener('console'), '-device', 'isa-serial,chardev=console'],
    // One port beside the reserved first: no queues that nobody uses.
    ...['-device', 'virtio-serial-pci,id=serial,max_ports=2', '-chardev', listener('agent')],
    ...['-device', `virtserialport,id=${agentPortId},bus=serial.0,chardev=agent,name=agent.channel.0`],
    ...['-object', `rng-random,id=entropy,filename=${checked(settings.entropySource, 'entropy_source')}`],
    ...['-device', 'virtio-rng-pci,rng=entropy'],
  ]
}

function bootArgs(spec: MachineSpec, settings: MachineSettings): string[] {
  const initrd = initrdPlace(spec, settings)
  const parameters = [...initrd.parameters, ...agentAddress(spec)]
  return [
    '-kernel',
    guestKernel,
    ...initrd.args,
    '-append',
    qemuKernelCommandLine(spec, settings, parameters),
  ]
}

/** What stands on the root bus. Of what a template has not, only the host's half is here: ../monitor/plug-late.ts does the rest. */
function deviceArgs(spec: MachineSpec, settings: MachineSettings, fd: Numbers): string[] {
  const device: typeof deviceArgument = (properties, bus) =>
    plugsLate(spec) ? [] : deviceArgument(properties, bus)
  return [
    ...sharesOf(spec).flatMap(([role, share]) => [
      ...shareBackend(role, fd(role)),
      ...device(shareDevice(role, share), rootBus),
    ]),
    ...(spec.nics ?? []).flatMap((nic) => [...nicBackend(nic, fd), ...device(nicDevice(nic), rootBus)]),
    ...(spec.tpm ? tpmArgs(fd('tpm')) : []),
    ...(spec.vsock ? vsockArgs(spec.vsock, fd('vsock')) : []),
    ...(spec.rootDisk ? rootDiskArgs(fd('disk'), settings) : []),
  ]
}

function machine({ machineType }: MachineSettings): string {
  return [
    checked(machineType, 'machine_type'),
    'memory-backend=mem',
    ...leftOut.map((name) => `${name}=off`),
  ].join(',')
}

function accelerator(spec: MachineSpec): string {
  if (spec.accelerator === 'tcg') return `tcg,tb-size=${translationBufferMiB}`
  return takesKvm(spec) ? `kvm,device=/dev/fdset/${kvmSet}` : 'kvm'
}

function cpu(spec: MachineSpec, { cpuFeatures }: MachineSettings): string {
  const model = spec.accelerator === 'kvm' ? (spec.kvmCpu ?? 'host') : tcgCpu
  return [model, offUnlessAsked, ...(cpuFeatures === '' ? [] : [cpuFeatures])].join(',')
}

/**
 * QEMU puts an initrd right below the ACPI tables, but with a TPM the firmware puts 64 kB for the TPM's log on top of
 * them, so that the tables come to lie lower and the initrd is written over them. Then we name a place for it that
 * nobody else uses.
 */
function initrdPlace(
  { initrd, tpm, memoryMiB }: MachineSpec,
  { initrdBytes = 0 }: MachineSettings,
): { readonly args: string[]; readonly parameters: string[] } {
  if (initrd === undefined) return { args: [], parameters: [] }
  if (tpm === undefined) return { args: ['-initrd', guestInitrd], parameters: [] }
  const address = initrdAddress(memoryMiB)
  const loader = `loader,file=${guestInitrd},addr=${address},force-raw=on`
  return { args: ['-device', loader], parameters: [`initrdmem=${address},${initrdBytes}`] }
}

/** The guest's kernel finds it as /dev/tpm0. */
function tpmArgs(fd: number): string[] {
  const emulator = ['-chardev', `socket,id=tpm,fd=${fd}`, '-tpmdev', 'emulator,id=tpm,chardev=tpm']
  return [...emulator, '-device', 'tpm-tis,tpmdev=tpm']
}

/** The address is the descriptor's already, and claiming it again by the same descriptor is no conflict. */
function vsockArgs({ cid }: VsockAttachment, fd: number): string[] {
  return ['-device', `vhost-vsock-pci,id=vsock,guest-cid=${cid},vhostfd=${fd},bus=pcie.0`]
}

/** Kata's words for where the agent listens. */
function agentAddress({ vsock }: MachineSpec): string[] {
  return vsock === undefined ? [] : [`agent.server_addr=vsock://-1:${agentPort}`]
}

/**
 * The image comes as a descriptor in a set that QEMU opens instead of a path. Reads in threads, because the rings of
 * the other ways are no system calls for a jailed VMM. `read-only` is held twice: here and by the descriptor itself.
 */
function rootDiskArgs(fd: number, settings: MachineSettings): string[] {
  const set = ['-add-fd', `fd=${fd},set=1`]
  const device = ['-device', 'virtio-blk-pci,id=disk,drive=disk,bus=pcie.0']
  const file = ['filename=/dev/fdset/1', 'read-only=on', 'aio=threads']
  const limit = configuredLimit('disk', settings)
  if (limit === undefined)
    return [...set, '-blockdev', ['driver=file', 'node-name=disk', ...file].join(','), ...device]
  const throttle = ['driver=throttle', 'node-name=disk', `throttle-group=${limit.id}`, 'read-only=on']
  const below = ['driver=file', ...file].map((option) => `file.${option}`)
  const node = [...throttle, ...below].join(',')
  return [...set, '-object', JSON.stringify(limit), '-blockdev', node, ...device]
}

function jailPaths(spec: MachineSpec, settings: MachineSettings): JailPath[] {
  const read = (source: string, target = source): JailPath => ({ source, target, access: 'read' })
  const boots = savedFiles(spec) === undefined
  const memory = memoryFileOf(spec)
  return [
    ...(boots ? [read(spec.kernel, guestKernel)] : []),
    ...(boots && spec.initrd !== undefined ? [read(spec.initrd, guestInitrd)] : []),
    ...(memory === undefined ? [] : [{ source: memory.path, target: memoryFile, access: memory.access }]),
    read(settings.entropySource),
    ...settings.firmwareDirs.map((directory) => read(directory)),
    ...(spec.accelerator === 'kvm' && !takesKvm(spec)
      ? [{ source: '/dev/kvm', target: '/dev/kvm', access: 'read-write' } as const]
      : []),
  ]
}

/** A comma would end the value and begin an option of its own; nothing that goes into one needs any. */
function checked(value: string, name: string): string {
  if (/^[\w./:-]+$/.test(value)) return value
  throw new KataError('VMM_OPTION_INVALID', { reason: `${name} is ${JSON.stringify(value)}` })
}
