/**
 * Devices of the host that this kernel drives itself: Kata's `vfio-pci-gk`. There is nothing to put into the container: what a
 * driver makes of the device is a device of the guest. A container is only not made before its devices are there and driven,
 * or it is certain enough that nobody will drive them, which the metrics tell the host.
 */
import type { Device } from '../../../../src/protocol/generated/agent.ts'
import { deadline, invalid } from '../errors.ts'
import type { Sample } from '../statistics/prometheus.ts'
import { sayError } from '../system/console.ts'
import { exists, linkTarget, list, readIfThere } from '../system/files.ts'
import { sleep } from '../system/wait.ts'
import { pciSlots } from './block-device.ts'
import { loadRequested } from './module-archive.ts'
import { passedDeviceState } from './passed-device-state.ts'

/** How long a device may take to appear after the host has plugged it in. */
const hotplugMilliseconds = 10_000
/** How long after that a driver may take to claim it: the kernel asks all it has at once, so that there is none after that. */
const claimMilliseconds = 5000
/** How long a driver may take to have its disk or interface. */
const driverMilliseconds = 10_000
const stepMilliseconds = 5
const rootBus = '/sys/devices/pci0000:00'
const files = { list, exists, readIfThere, linkTarget }

export const isPassedDevice = ({ type }: Device): boolean => type === 'vfio-pci-gk'

export class PassedDevices {
  readonly #bus: string
  /** Directories in sysfs by the host's address. */
  readonly #known = new Map<string, string>()

  constructor(bus: string = rootBus) {
    this.#bus = bus
  }

  /**
   * Waits for each function of the device; `options` say `HOST=PATH`, the PCI address on the host and the slots here.
   *
   * @throws TtrpcError INVALID_ARGUMENT for another form, DEADLINE_EXCEEDED when it does not appear.
   */
  async require({ options }: Device): Promise<void> {
    for (const option of options) {
      const { host, slots } = placeOf(option)
      const directory = await this.#appeared(option, slots)
      this.#known.set(host, directory)
      loadDriver(directory)
      await driven(directory)
    }
  }

  /** 1 for each device that is driven; else what is missing. */
  samples(): Sample[] {
    return [...this.#known]
      .filter(([, directory]) => exists(directory))
      .map(([device, directory]) => {
        const { driver, lacks } = passedDeviceState(directory, files)
        return { labels: { device, driver, lacks }, value: lacks === '' ? 1 : 0 }
      })
  }

  async #appeared(option: string, slots: readonly string[]): Promise<string> {
    for (let waited = 0; ; waited += stepMilliseconds) {
      const directory = find(this.#bus, slots)
      if (directory !== undefined) return directory
      if (waited >= hotplugMilliseconds)
        throw deadline(`no device appeared for ${option} within ${hotplugMilliseconds} ms`)
      await sleep(stepMilliseconds)
    }
  }
}

/** A driver that the kernel does not have yet, by what the device says of itself: nobody else would look for it here. */
function loadDriver(directory: string): void {
  const modalias = readIfThere(`${directory}/modalias`)?.trim()
  if (modalias === undefined || linkTarget(`${directory}/driver`) !== undefined) return
  try {
    loadRequested(modalias)
  } catch (error) {
    sayError(`cannot load the driver of ${modalias}`, error)
  }
}

/** Resolves when it is, or when there is no more hope. */
async function driven(directory: string): Promise<void> {
  for (let waited = 0; ; waited += stepMilliseconds) {
    const { driver, lacks } = passedDeviceState(directory, files)
    if (lacks === '' || waited >= (driver === '' ? claimMilliseconds : driverMilliseconds)) return
    await sleep(stepMilliseconds)
  }
}

function placeOf(option: string): { host: string; slots: string[] } {
  const [, host, path] = /^([0-9a-f:.]{1,16})=([0-9a-f/]{1,64})$/.exec(option) ?? []
  if (host === undefined || path === undefined) throw invalid(`${option} is not HOST=PATH`)
  return { host, slots: pciSlots(path) }
}

/** The kernel has the device's file of numbers once it is known to all of sysfs. */
function find(bus: string, slots: readonly string[]): string | undefined {
  let directory = bus
  for (const slot of slots) {
    const name = list(directory).find((name) => name.endsWith(slot))
    if (name === undefined) return undefined
    directory = `${directory}/${name}`
  }
  return exists(`${directory}/vendor`) ? directory : undefined
}
