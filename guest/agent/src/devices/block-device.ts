/** Disks that the host has plugged in, found by the place that it names: Kata's `blk`, `scsi` and `mmioblk`. */
import { close, open } from 'syscalls'
import { deadline, invalid } from '../errors.ts'
import { errnoName, exists, list, openFlags, readIfThere, set } from '../system/files.ts'
import { sleep } from '../system/wait.ts'
import { loadModuleNamed } from './modules.ts'

/** How long a disk may take to appear after the host has plugged it in. */
const hotplugMilliseconds = 10_000
const rootBus = '/sys/devices/pci0000:00'
const scsiDevices = '/sys/bus/scsi/devices'
const scanMode = '/sys/module/scsi_mod/parameters/scan'
const scsiDriver = '/sys/bus/virtio/drivers/virtio_scsi'

export interface BlockDevice {
  /** In the guest, `/dev/vda`. */
  readonly node: string
  readonly major: bigint
  readonly minor: bigint
}

/** Kinds of disk that {@link findBlockDevice} knows. */
export const blockDrivers = ['blk', 'scsi', 'mmioblk']

/**
 * Waits for the disk at `address`: the slots from the root bus on in hex (`0f/00`) for `blk`, `target:lun` for `scsi`,
 * the node (`/dev/vdb`) for `mmioblk`.
 *
 * @throws TtrpcError INVALID_ARGUMENT for another form, DEADLINE_EXCEEDED, FAILED_PRECONDITION when the image lacks the driver.
 */
export async function findBlockDevice(driver: string, address: string): Promise<BlockDevice> {
  const look = lookers[driver]!(address)
  for (let waited = 0; ; waited += 5) {
    const found = look()
    if (found !== undefined) return found
    if (waited >= hotplugMilliseconds)
      throw deadline(`no disk appeared at ${driver} ${address} within ${hotplugMilliseconds} ms`)
    await sleep(5)
  }
}

const lookers: Readonly<Record<string, (address: string) => () => BlockDevice | undefined>> = {
  blk: lookOnPci,
  scsi: lookOnScsi,
  mmioblk: lookByNode,
}

/** The names of directories from one bus to the next, `xx:SLOT.0`, for a path as the host gives it. */
export function pciSlots(path: string): string[] {
  if (!/^[0-9a-f]{2}(\/[0-9a-f]{2})*$/.test(path)) throw invalid(`${path} is not a PCI path`)
  return path.split('/').map((slot) => `:${slot}.0`)
}

function lookOnPci(path: string): () => BlockDevice | undefined {
  const slots = pciSlots(path)
  loadModuleNamed('virtio_blk')
  return () => {
    let directory: string | undefined = rootBus
    for (const slot of slots) directory = childOf(directory, (name) => name.endsWith(slot))
    return diskIn(childOf(directory, (name) => name.startsWith('virtio')))
  }
}

function lookOnScsi(address: string): () => BlockDevice | undefined {
  const [, target, lun] = /^(\d{1,3}):(\d{1,5})$/.exec(address) ?? []
  if (target === undefined) throw invalid(`${address} is not a SCSI address`)
  const scanAgain = exists(scsiDriver) ? () => {} : stopScans()
  for (const name of ['virtio_scsi', 'sd_mod']) loadModuleNamed(name)
  return () => {
    const hosts = scsiHosts()
    if (hosts.length > 0) scanAgain()
    for (const host of hosts) {
      // The controller tells of a disk that comes while it is there; one that was there before has to be looked for.
      const device = `${scsiDevices}/${host.number}:0:${target}:${lun}`
      if (!exists(device)) set(`${host.directory}/scsi_host/host${host.number}/scan`, `0 ${target} ${lun}`)
      const found = diskIn(device)
      if (found !== undefined) return found
    }
    return undefined
  }
}

/**
 * The kernel asks a new controller for each of 256 targets, which takes 150 ms under emulation. Ours has what the host names, and is not
 * asked. Others are, from the moment on at which the function that this returns is called.
 */
function stopScans(): () => void {
  loadModuleNamed('scsi_mod')
  const before = readIfThere(scanMode)?.trim()
  if (!before) return () => {}
  set(scanMode, 'manual')
  return () => set(scanMode, before)
}

/**
 * A disk of Firecracker is there from the start, and gets its content later: until then it has one sector, and the kernel
 * learns of its size a moment after the host was told that the content is there.
 */
function lookByNode(node: string): () => BlockDevice | undefined {
  const name = /^\/dev\/(vd[a-z]{1,2})$/.exec(node)?.[1]
  if (name === undefined) throw invalid(`${node} is not a disk like /dev/vdb`)
  loadModuleNamed('virtio_blk')
  return () => {
    const sectors = Number(readIfThere(`/sys/class/block/${name}/size`) ?? 0)
    return sectors > 1 ? diskIn(`/sys/class/block/${name}/device`) : undefined
  }
}

function scsiHosts(): { directory: string; number: string }[] {
  return list(scsiDriver)
    .filter((name) => name.startsWith('virtio'))
    .flatMap((virtio) => list(`${scsiDriver}/${virtio}`).map((name) => [virtio, name] as const))
    .filter(([, name]) => /^host\d+$/.test(name))
    .map(([virtio, name]) => ({ directory: `${scsiDriver}/${virtio}/${name}`, number: name.slice(4) }))
}

function childOf(directory: string | undefined, matches: (name: string) => boolean): string | undefined {
  const child = directory && list(directory).find(matches)
  return child && `${directory}/${child}`
}

/** The disk of a device: there once its node can be opened. */
function diskIn(device: string | undefined): BlockDevice | undefined {
  const name = device && list(`${device}/block`)[0]
  if (!name || !isComplete(`/dev/${name}`)) return undefined
  const [major = '', minor = ''] = (readIfThere(`${device}/block/${name}/dev`) ?? '').trim().split(':')
  if (minor === '') return undefined
  return { node: `/dev/${name}`, major: BigInt(major), minor: BigInt(minor) }
}

/** The kernel makes the node of a disk a moment before the disk behind it is complete: until then open(2) gives ENXIO. */
function isComplete(node: string): boolean {
  try {
    close(open(node, openFlags.readOnly, 0))
    return true
  } catch (error) {
    if (['ENOENT', 'ENXIO'].includes(errnoName(error) ?? '')) return false
    throw error
  }
}
