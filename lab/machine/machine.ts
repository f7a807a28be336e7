/** The machine that the lab host is: QEMU's TCG, which emulates AMD's SVM with nested paging well enough for a real KVM in it. */
import { nicMac } from '../image/files.ts'
import type { BootFiles } from '../image/kernel.ts'
import { paths } from '../paths.ts'

export interface MachineOptions {
  /** Port of 127.0.0.1 behind which its SSH daemon is. */
  readonly port: number
  readonly memoryMiB: number
  readonly cpus: number
  readonly boot: BootFiles
}

/** The addresses of the two devices that are there to be passed to guests, each in an IOMMU group of its own. */
export const spareDevices = { nvme: '0000:00:1a.0', virtio: '0000:00:1b.0' } as const

/** Which disk is which in the lab host: /dev/disk/by-id/virtio-<serial>. */
export const serials = { parcel: 'kata-ts-parcel', spare: 'kata-ts-spare' } as const

/** Nobody at all: what breaks out of the lab host finds itself there. QEMU opens its files before it becomes them. */
const nobody = '65534:65534'

const kernelParameters = [
  'root=/dev/vda rw console=ttyS0 loglevel=4 systemd.show_status=1 mitigations=off intel_iommu=on',
  // What the emulation has of these two is young. Without them 24 of 24 guests came up, one after the other; with them one in some 15 hung.
  'kvm_amd.vgif=0 kvm_amd.vls=0',
  // An oops in the emulated SVM must not linger; with -no-reboot a panic ends QEMU.
  'oops=panic panic=-1',
].join(' ')

const drive = (id: string, file: string) =>
  `file=${file},if=none,id=${id},format=raw,cache=unsafe,discard=unmap`

/**
 * QEMU's arguments. The processor is `max` without five-level paging, which KVM could not shadow; the IOMMU is Intel's, which
 * Linux takes on this processor too.
 */
export function machineArguments({ port, memoryMiB, cpus, boot }: MachineOptions): string[] {
  return [
    ...['-name', 'kata-ts-lab', '-nodefaults', '-no-reboot', '-display', 'none', '-vga', 'none'],
    ...['-machine', 'q35', '-accel', 'tcg,thread=multi,tb-size=1024', '-cpu', 'max,la57=off'],
    ...['-smp', String(cpus), '-m', `${memoryMiB}M`],
    ...['-sandbox', 'on,spawn=deny', '-run-with', `user=${nobody}`],
    ...['-kernel', boot.kernel, '-initrd', boot.initrd, '-append', kernelParameters],
    ...['-device', 'intel-iommu,intremap=on'],
    ...['-drive', drive('root', paths.copy), '-device', 'virtio-blk-pci,drive=root'],
    ...['-drive', drive('parcel', paths.parcel)],
    ...['-device', `virtio-blk-pci,drive=parcel,serial=${serials.parcel}`],
    ...['-drive', drive('spare', paths.spareDisk)],
    ...['-device', `virtio-blk-pci,drive=spare,serial=${serials.spare}`],
    ...['-drive', drive('nvme', paths.spareNvme), '-device', 'nvme,drive=nvme,serial=spare,addr=0x1a'],
    ...['-drive', drive('virtio', paths.spareVirtio)],
    ...['-device', 'virtio-blk-pci,drive=virtio,addr=0x1b,iommu_platform=on,disable-legacy=on'],
    // Nothing but the port for SSH goes in, and nothing goes out.
    ...['-netdev', `user,id=nic,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:22`],
    ...['-device', `virtio-net-pci,netdev=nic,mac=${nicMac},romfile=`],
    ...['-device', 'virtio-rng-pci', '-rtc', 'base=utc'],
    ...['-chardev', `file,id=console,path=${paths.console}`, '-serial', 'chardev:console'],
    ...['-qmp', `unix:${paths.qmp},server=on,wait=off`],
    // A triple fault says nothing on the console.
    ...['-d', 'cpu_reset', '-D', paths.resets],
  ]
}
