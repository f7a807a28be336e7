/**
 * What a container with certain rights expects to find, although its kernel loads it only when asked: programs ask the kernel in
 * ways that it does not understand as a request for a module.
 */
import { sayError } from '../system/console.ts'
import { exists } from '../system/files.ts'
import { moduleArchive } from '../system/paths.ts'
import type { DeviceNode } from './guest-devices.ts'
import { loadFromArchive, loadRequested } from './module-archive.ts'
import { loadModuleNamed } from './modules.ts'

/** iptables-legacy runs modprobe(8), which a container may not; its tables the kernel asks for itself then. */
const byCapability: Readonly<Record<string, readonly string[]>> = {
  CAP_NET_ADMIN: ['ip_tables', 'ip6_tables'],
}

/** Loads them, as far as the guest image has them. A container starts without them, too. */
export function loadExpectedModules(capabilities: readonly string[]): void {
  for (const name of capabilities.flatMap((capability) => byCapability[capability] ?? []))
    attempt(name, () => exists(`/sys/module/${name}`) || loadFromArchive(name, ''))
}

/** Loads drivers that whoever asks will need later. One that cannot be loaded is missed then, if ever. */
export function loadDrivers(names: readonly string[]): void {
  for (const name of names) attempt(name, () => loadModuleNamed(name))
}

/** Loads the drivers of these paths, as far as they are character devices: a node is there to be mounted once its driver is. */
export function loadMountedDevices(sources: readonly string[]): void {
  const missing = characters.filter(([path]) => sources.includes(path) && !exists(path))
  for (const [path, major, minor] of missing)
    attempt(`of ${path}`, () => loadRequested(`char-major-${major}-${minor}`))
}

function attempt(module: string, load: () => unknown): void {
  try {
    load()
  } catch (error) {
    sayError(`cannot load kernel module ${module}`, error)
  }
}

/** Who opens such a node makes the kernel ask for its driver, by these numbers (Linux Documentation/admin-guide/devices.txt). */
const characters: readonly [path: string, major: number, minor: number][] = [
  ['/dev/net/tun', 10, 200],
  ['/dev/cuse', 10, 203],
  ['/dev/btrfs-control', 10, 234],
  ['/dev/mapper/control', 10, 236],
  ['/dev/loop-control', 10, 237],
]
const loops = Array.from({ length: 8 }, (_, number) => [`/dev/loop${number}`, 7, number] as const)

/** Nodes of drivers that are not loaded yet, for containers that may use every device. */
export function expectedDevices(): DeviceNode[] {
  if (!exists(moduleArchive)) return []
  const node =
    (type: 'c' | 'b') =>
    ([path, major, minor]: readonly [string, number, number]) => {
      return { path, type, major, minor, fileMode: 0o600, uid: 0, gid: 0 }
    }
  return [...characters.map(node('c')), ...loops.map(node('b'))].filter(({ path }) => !exists(path))
}
