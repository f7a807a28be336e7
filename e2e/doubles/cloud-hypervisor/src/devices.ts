/** A machine's configuration, changed while it is there: devices that come and go. */
import { setMtu } from 'double'
import type { Nic } from './qemu-arguments.ts'
import { deviceError, osError } from './refused.ts'
import { type VmConfig, validate } from './vm-config.ts'

type Devices = Pick<VmConfig, 'disks' | 'fs' | 'net'>

/** Throws what would be wrong with a machine that has these devices too. */
export function validateWith(vm: VmConfig, { disks = [], fs = [], net = [] }: Devices): void {
  validate({
    ...vm,
    disks: [...(vm.disks ?? []), ...disks],
    fs: [...(vm.fs ?? []), ...fs],
    net: [...(vm.net ?? []), ...net],
  })
}

export function forgetDevice(vm: VmConfig, id: string): void {
  for (const kind of ['disks', 'fs', 'net'] as const) {
    const list: { id?: string }[] | undefined = vm[kind]
    const at = list?.findIndex((device) => device.id === id) ?? -1
    if (at >= 0) list?.splice(at, 1)
  }
}

/** The real program sets a card's MTU on the first of its taps, for which it needs a right over its own network. */
export function tellMtu({ config: { mtu }, taps: [tap] }: Nic): void {
  if (mtu === undefined || tap === undefined) return
  try {
    setMtu(tap, mtu)
  } catch (error) {
    throw deviceError('Using existing tap', 'Ioctl failed (35106)', osError(error))
  }
}
