/** What this kernel has made of a PCI device, as sysfs shows it. Pure: tested on the host. */

/** What is looked at, below the root. */
export interface SysFiles {
  /** Names in a directory; none when it is not there. */
  list(path: string): string[]
  exists(path: string): boolean
  readIfThere(path: string): string | undefined
  /** Where a symbolic link leads to; undefined when there is none. */
  linkTarget(path: string): string | undefined
}

export interface PassedDeviceState {
  /** The driver that has it; empty without one. */
  readonly driver: string
  /** What a container would miss; empty when there is nothing to wait for. */
  readonly lacks: '' | 'driver' | 'disk' | 'interface'
}

/**
 * A kernel links the driver before that has done its work, so what disks and network cards are for is looked for as well;
 * what other devices become only their drivers know. Classes by the PCI Code and ID Assignment Specification.
 */
export function passedDeviceState(directory: string, files: SysFiles): PassedDeviceState {
  const driver = files.linkTarget(`${directory}/driver`)?.split('/').at(-1) ?? ''
  if (driver === '') return { driver, lacks: 'driver' }
  const kind = (files.readIfThere(`${directory}/class`) ?? '').slice(0, 4)
  if (kind === '0x01' && !hasDisk(directory, files)) return { driver, lacks: 'disk' }
  if (kind === '0x02' && below(directory, 'net', files).length === 0) return { driver, lacks: 'interface' }
  return { driver, lacks: '' }
}

/** A disk of it that has its node. */
function hasDisk(directory: string, files: SysFiles): boolean {
  const nodes = [...below(directory, 'block', files), ...multipathDisks(directory, files)]
  return nodes.some((name) => files.exists(`/dev/${name}`))
}

/** Names in a class of what lies below the device. */
function below(directory: string, kind: 'block' | 'net', files: SysFiles): string[] {
  const address = directory.split('/').at(-1)
  const all = `/sys/class/${kind}`
  return files.list(all).filter((name) => files.linkTarget(`${all}/${name}`)?.includes(`/${address}/`))
}

/** An NVMe namespace that may have several paths belongs to none of them: `nvme0c1n1` is one path to `nvme0n1`. */
function multipathDisks(directory: string, files: SysFiles): string[] {
  return files
    .list(`${directory}/nvme`)
    .flatMap((controller) => files.list(`${directory}/nvme/${controller}`))
    .flatMap((name) => {
      const [, subsystem, namespace] = /^(nvme\d+)c\d+(n\d+)$/.exec(name) ?? []
      return namespace === undefined ? [] : [`${subsystem}${namespace}`]
    })
}
