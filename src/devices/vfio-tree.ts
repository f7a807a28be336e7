/** The devices that are bound to VFIO, as sysfs shows them (Documentation/driver-api/vfio.rst). */
import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { basename } from 'node:path'
import { KataError } from '../errors.ts'
import type { DeviceNumbers } from '../linux/device-numbers.ts'

/** A function of a PCI device that can be driven through VFIO. */
export interface VfioFunction {
  /** `0000:1a:00.0`. */
  readonly address: string
  /** The kernel's name for its own character device, `vfio3`. */
  readonly cdev: string
  /** The numbers of that character device. */
  readonly numbers: DeviceNumbers
}

/** PCI classes of bridges (PCI Code and ID Assignment). They are not driven through VFIO, and need not be. */
const bridges = ['0x0600', '0x0601', '0x0604']

/** The driver that only keeps others away (drivers/pci/pci-stub.c). The kernel lets a group go in which it has a function. */
const stub = 'pci-stub'

/**
 * The functions behind a character device of VFIO: that of one function (/dev/vfio/devices/vfio3), or that of an IOMMU
 * group (/dev/vfio/12), which means all functions of the group. Undefined when the numbers are no device of VFIO.
 *
 * @throws KataError VFIO_NO_IOMMU, VFIO_NO_CDEV, VFIO_GROUP_SHARED.
 */
export function findVfio(
  numbers: DeviceNumbers,
  container: string,
  sys = '/sys',
): readonly VfioFunction[] | undefined {
  const cdev = nameOf(`${sys}/class/vfio-dev`, numbers)
  const group =
    cdev === undefined
      ? nameOf(`${sys}/class/vfio`, numbers)
      : groupOf(`${sys}/class/vfio-dev/${cdev}/device`)
  if (cdev === undefined && group === undefined) return undefined
  const device = cdev ?? `group ${group}`
  if ([cdev, group].some((name) => name?.startsWith('noiommu-') ?? false) || group === undefined)
    throw new KataError('VFIO_NO_IOMMU', { device, container })
  const functions = viableFunctions(`${sys}/kernel/iommu_groups/${group}/devices`, group, container)
  const wanted = cdev === undefined ? functions : functions.filter((one) => one.cdev === cdev)
  if (wanted.length === 0) throw new KataError('VFIO_NO_CDEV', { device, container })
  return wanted
}

/** Whether these are the numbers of what all VFIO devices share: the legacy container, or iommufd. */
export function isVfioCommon(numbers: DeviceNumbers, sys = '/sys'): boolean {
  return ['vfio', 'iommu'].some((name) => isSame(readNumbers(`${sys}/class/misc/${name}/dev`), numbers))
}

/**
 * The functions of a group that may be handed over. A function that a driver of the host uses could be reached through the others: the
 * kernel refuses such a group too, but says less. Functions that no driver has are harmless and stay where they are.
 */
function viableFunctions(directory: string, group: string, container: string): VfioFunction[] {
  return list(directory).flatMap((address) => {
    const device = `${directory}/${address}`
    const cdev = list(`${device}/vfio-dev`)[0]
    if (cdev !== undefined) {
      const numbers = readNumbers(`${device}/vfio-dev/${cdev}/dev`)
      return numbers === undefined ? [] : [{ address, cdev, numbers }]
    }
    const driver = linkName(`${device}/driver`)
    if (driver === undefined || driver === stub || isBridge(device)) return []
    // VFIO drives it, but the kernel gives it no character device: only the legacy container could use it.
    if (driver.includes('vfio')) throw new KataError('VFIO_NO_CDEV', { device: address, container })
    throw new KataError('VFIO_GROUP_SHARED', { group, container, address, driver })
  })
}

function isBridge(device: string): boolean {
  const text = readText(`${device}/class`) ?? ''
  return bridges.some((prefix) => text.startsWith(prefix))
}

function groupOf(device: string): string | undefined {
  return linkName(`${device}/iommu_group`)
}

/** The entry of a class directory that has these numbers. */
function nameOf(directory: string, numbers: DeviceNumbers): string | undefined {
  return list(directory).find((name) => isSame(readNumbers(`${directory}/${name}/dev`), numbers))
}

const isSame = (found: DeviceNumbers | undefined, { major, minor }: DeviceNumbers) =>
  found !== undefined && found.major === major && found.minor === minor

function readNumbers(path: string): DeviceNumbers | undefined {
  const [, major, minor] = /^(\d+):(\d+)\s*$/.exec(readText(path) ?? '') ?? []
  return major === undefined ? undefined : { major: Number(major), minor: Number(minor) }
}

/** The target of a link; undefined when there is no link. */
function linkName(path: string): string | undefined {
  return attempt(() => basename(readlinkSync(path)))
}

const list = (directory: string): string[] => attempt(() => readdirSync(realpathSync(directory)).sort()) ?? []

const readText = (path: string) => attempt(() => readFileSync(path, 'utf8'))

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
