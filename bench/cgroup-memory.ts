/** What the kernel counts to the cgroup of one sandbox: VMM, virtiofsd and shim together. KiB. */
import { readFileSync, writeFileSync } from 'node:fs'
import { cgroupDirectory, cgroupHierarchies, cgroupOf, hierarchyOf } from '../src/linux/cgroups/cgroup.ts'
import type { Host } from './host.ts'

export interface CgroupMemory {
  /** What a limit is compared with. */
  readonly usage: number
  /** Memory of programs, with guest code that TCG has translated. */
  readonly anonymous: number
  /** The guest's memory, which is a memfd, and little else. */
  readonly shared: number
  /** Pages of files that no other cgroup had used before: programs, kernel and initrd. Taken back when memory is short. */
  readonly files: number
  /** Page tables, sockets and the like. */
  readonly kernel: number
}

/** A configuration in which one cgroup has all of a sandbox. Returns its path. */
export function oneCgroupConfiguration(directory: string): string {
  const path = `${directory}/one-cgroup.toml`
  writeFileSync(path, '[hypervisor.qemu]\naccelerator = "auto"\n[runtime]\nsandbox_cgroup_only = true\n')
  return path
}

/** Undefined where no memory is counted. The sandbox must have been started with {@link oneCgroupConfiguration}. */
export function readCgroupMemory(host: Host, name: string): CgroupMemory | undefined {
  const hierarchy = hierarchyOf(cgroupHierarchies(), 'memory')
  const path = hierarchy && cgroupOf(host.facts(name).shimPid, hierarchy)
  if (path === undefined || path === '/') return undefined
  const directory = cgroupDirectory(hierarchy!, path)
  const kib = (file: string) => Math.round(Number(readFileSync(`${directory}/${file}`, 'utf8')) / 1024)
  const stat = parseStat(readFileSync(`${directory}/memory.stat`, 'utf8'))
  if (hierarchy!.version === 2)
    return {
      usage: kib('memory.current'),
      anonymous: stat('anon'),
      shared: stat('shmem'),
      files: stat('file') - stat('shmem'),
      kernel: stat('kernel'),
    }
  return {
    usage: kib('memory.usage_in_bytes'),
    anonymous: stat('rss'),
    shared: stat('shmem'),
    files: stat('cache') - stat('shmem'),
    kernel: kib('memory.kmem.usage_in_bytes'),
  }
}

/** Lines of `name bytes`; a missing one counts 0. */
function parseStat(text: string): (name: string) => number {
  const values = new Map(text.split('\n').map((line) => line.split(' ') as [string, string]))
  return (name) => Math.round(Number(values.get(name) ?? 0) / 1024)
}
