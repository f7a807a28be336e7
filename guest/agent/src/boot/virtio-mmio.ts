/** Machines without a PCI bus (Firecracker's): what ACPI tells of their devices needs a driver that is a module. */
import { TtrpcError } from '../../../../src/ttrpc/ttrpc.ts'
import { loadModuleNamed } from '../devices/modules.ts'

/** For kernels that have it as a module; in one of the user's own it is built in, or nothing would be found anyway. */
export function findDevicesWithoutPci(): void {
  try {
    loadModuleNamed('virtio_mmio')
  } catch (error) {
    if (!(error instanceof TtrpcError && error.code === 'not_found')) throw error
  }
}
