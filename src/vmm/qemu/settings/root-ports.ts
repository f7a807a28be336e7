/** PCIe root ports: the free ones take one device each while the machine runs, and are free again after it. */
import type { HypervisorConfig } from '../../../config/config.ts'
import { KataError } from '../../../errors.ts'
import type { MachineSpec } from '../../vmm.ts'
import { hasLatePorts, latePorts } from './template.ts'

/** Slot of the first port on the root bus; with 16 ports the last one is the slot before QEMU's own at 31. */
const firstSlot = 0x0f
const mostPorts = 16

/** Bus of the n-th root port. */
export const rootPort = (index: number): string => `rp${index}`

/** Where a device on that port is, as the guest's agent is told (Kata's form): the slots on the way, in hex. */
export const portPath = (index: number): string => `${(firstSlot + index).toString(16).padStart(2, '0')}/00`

/** How many ports a machine has. A template's cost its clones no time. */
export function rootPortCount(
  spec: Pick<MachineSpec, 'template' | 'resumed'>,
  { pcieRootPort }: Pick<HypervisorConfig, 'pcieRootPort'>,
): number {
  return hasLatePorts(spec) ? Math.min(pcieRootPort + latePorts, mostPorts) : pcieRootPort
}

/** The arguments of `count` ports. Their place is fixed, so that a device's path is known before the guest sees it. */
export function rootPortArgs(count: number): string[] {
  return Array.from({ length: count }, (_, index) => [
    '-device',
    `pcie-root-port,id=${rootPort(index)},bus=pcie.0,addr=0x${(firstSlot + index).toString(16)},chassis=${index + 1},slot=${index + 1}`,
  ]).flat()
}

export class RootPorts {
  readonly #count: number
  readonly #taken = new Set<number>()

  constructor(count: number) {
    this.#count = count
  }

  /** The lowest free port, taken for `device` (a name for people). @throws KataError VMM_NO_FREE_PORT. */
  take(device: string): number {
    for (let index = 0; index < this.#count; index++) {
      if (this.#taken.has(index)) continue
      this.#taken.add(index)
      return index
    }
    throw new KataError('VMM_NO_FREE_PORT', { device, ports: this.#count })
  }

  /** Call it only once the device is gone: QEMU refuses two on one port. */
  free(index: number): void {
    this.#taken.delete(index)
  }
}
