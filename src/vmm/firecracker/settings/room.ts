/** How much a machine of Firecracker's holds: it finds out only when the instance starts, and in words about interrupts. */
import { KataError } from '../../../errors.ts'

/**
 * Each device takes one of 19 interrupts, and so do two of Firecracker's own: VMGenID and, from 1.15 on, VMClock
 * (docs/device-api.md, arch/x86_64/layout.rs of its source).
 */
const mostDevices = 17
/** Bytes of the kernel's command line with its closing zero (CMDLINE_MAX_SIZE). */
const commandLineBytes = 2048
/** What Firecracker adds to it for itself, and at most for each device: ` virtio_mmio.device=4K@0xd0001000:5`. */
const [ownBytes, deviceBytes] = [' pci=off'.length, ' virtio_mmio.device=4K@0xd0001000:23'.length]

/** @throws KataError VMM_OPTION_INVALID for more devices, or a longer command line, than there is room for. */
export function requireRoom({
  devices,
  cards,
  bootArgs,
}: {
  /** Network cards included. */
  readonly devices: number
  readonly cards: number
  readonly bootArgs: string
}): void {
  if (devices > mostDevices)
    throw new KataError('VMM_OPTION_INVALID', {
      reason: `the pod has ${cards} network cards, and this machine of Firecracker has room for ${cards - (devices - mostDevices)}`,
    })
  const most = commandLineBytes - 1 - ownBytes - devices * deviceBytes
  const bytes = Buffer.byteLength(bootArgs)
  if (bytes > most)
    throw new KataError('VMM_OPTION_INVALID', {
      reason: `the kernel command line has ${bytes} bytes, and this machine of Firecracker has room for ${most}: shorten kernel_params by ${bytes - most}`,
    })
}
