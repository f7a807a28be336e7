/** Machines without a PCI bus (Firecracker's): what ACPI tells of their devices needs a driver that is a module. */
import { isInInitrd, loadModuleNamed } from '../devices/modules.ts'

const driver = 'virtio_mmio'

/** For kernels that have it as a module; in one of the user's own it is built in, or nothing would be found anyway. */
export function findDevicesWithoutPci(): void {
  if (isInInitrd(driver)) loadModuleNamed(driver)
}
