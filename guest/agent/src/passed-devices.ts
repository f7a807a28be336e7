/**
 * Devices of the host that this kernel drives itself: Kata's `vfio-pci-gk`. There is nothing to put into the container: what a
 * driver makes of the device is a device of the guest. A container is only not made before its devices are there.
 */
import type { Device } from '../../../src/protocol/generated/agent.ts'
import { pciSlots } from './block-device.ts'
import { deadline, invalid } from './errors.ts'
import { exists, list } from './files.ts'
import { sleep } from './wait.ts'

/** How long a device may take to appear after the host has plugged it in. */
const hotplugMilliseconds = 10_000
const rootBus = '/sys/devices/pci0000:00'

export const isPassedDevice = ({ type }: Device): boolean => type === 'vfio-pci-gk'

/**
 * Waits for each function of the device; `options` say `HOST=PATH`, the PCI address on the host and the slots here.
 *
 * @throws TtrpcError INVALID_ARGUMENT for another form, DEADLINE_EXCEEDED.
 */
export async function awaitPassedDevice({ options }: Device, bus = rootBus): Promise<void> {
  for (const option of options) {
    const slots = pciSlots(pathOf(option))
    for (let waited = 0; !isThere(bus, slots); waited += 5) {
      if (waited >= hotplugMilliseconds)
        throw deadline(`no device appeared for ${option} within ${hotplugMilliseconds} ms`)
      await sleep(5)
    }
  }
}

function pathOf(option: string): string {
  const path = /^[0-9a-f:.]{1,16}=([0-9a-f/]{1,64})$/.exec(option)?.[1]
  if (path === undefined) throw invalid(`${option} is not HOST=PATH`)
  return path
}

/** The kernel has the device's file of numbers once it is known to all of sysfs. */
function isThere(bus: string, slots: readonly string[]): boolean {
  let directory: string | undefined = bus
  for (const slot of slots) {
    const name: string | undefined = list(directory).find((name) => name.endsWith(slot))
    if (name === undefined) return false
    directory = `${directory}/${name}`
  }
  return exists(`${directory}/vendor`)
}
