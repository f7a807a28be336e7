/** What lies in Firecracker's jail: placed there by us, before the jailer makes it a root. */
import {
  chownSync,
  closeSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { makeFifo } from '../../linux/files/fifo.ts'
import { mount, mountFlags, unmountBelow } from '../../linux/mounts/mount.ts'
import { bindTree, mountAttributes, openLocation } from '../../linux/mounts/mount-tree.ts'
import type { VmSpec } from '../vmm.ts'
import type { JailPlace } from './program.ts'
import { emptyBytes, emptyDrive } from './settings/drive-list.ts'
import { inJail } from './settings/jail-paths.ts'

/** Room for what Firecracker can create in its jail, beside its own program: sockets, and whatever a hostile one likes. */
const ownBytes = 1024 * 1024
const mostInodes = 256

/**
 * Lays the jail out on a file system of its own, in memory, where device nodes work whatever the host's mounts forbid. All
 * of it goes away with the private directory, or earlier by {@link removeJail}.
 *
 * @throws SyscallError of mount(2); errors of the file system, EEXIST when there is a jail already.
 */
export function makeJail(place: JailPlace, spec: VmSpec, execFile: string): void {
  mkdirSync(place.base, { mode: 0o700 })
  try {
    fillJail(place, spec, execFile)
  } catch (error) {
    removeJail(place)
    throw error
  }
}

function fillJail({ base, root }: JailPlace, spec: VmSpec, execFile: string): void {
  const { uid, gid } = spec.identity
  const size = statSync(execFile).size + ownBytes
  mountMemory(base, `mode=0711,size=${size},nr_inodes=${mostInodes}`, mountFlags.nosuid)
  const drives = `${root}${inJail.drives}`
  mkdirSync(drives, { recursive: true })
  mountMemory(drives, 'mode=0711,size=64k,nr_inodes=64', mountFlags.nosuid | mountFlags.noexec)
  const empty = `${root}${emptyDrive}`
  writeFileSync(empty, '', { mode: 0o600, flag: 'wx' })
  truncateSync(empty, emptyBytes)
  chownSync(empty, uid, gid)
  makeFifo(`${root}${inJail.log}`)
  chownSync(`${root}${inJail.log}`, uid, gid)
  for (const { source, target } of shown(spec)) {
    writeFileSync(`${root}${target}`, '', { mode: 0o444, flag: 'wx' })
    showReadOnly(source, `${root}${target}`)
  }
}

/** Files of the host that it only reads, by their places. */
export function shown({ kernel, initrd }: VmSpec): { source: string; target: string }[] {
  return [
    { source: kernel, target: inJail.kernel },
    ...(initrd === undefined ? [] : [{ source: initrd, target: inJail.initrd }]),
  ]
}

/** What Firecracker needs of the nodes that its jailer makes. */
const neededNodes = ['kvm', 'net', 'urandom']

/** Takes the others away: /dev/userfaultfd, which the jailer makes where the kernel has it, serves snapshots only. */
export function removeOtherNodes({ root }: JailPlace): void {
  for (const name of readdirSync(`${root}/dev`))
    if (!neededNodes.includes(name)) rmSync(`${root}/dev/${name}`, { recursive: true })
}

/** Takes the jail away, once nothing runs in it. */
export function removeJail({ base }: JailPlace): void {
  if (lstatSync(base, { throwIfNoEntry: false }) === undefined) return
  unmountBelow(base)
  // All that it held went with the file system that was mounted there.
  rmdirSync(base)
}

function mountMemory(target: string, data: string, flags: number): void {
  mount({ source: 'tmpfs', target, type: 'tmpfs', flags, data })
}

function showReadOnly(source: string, target: string): void {
  const fd = openLocation(source)
  const { ro, nosuid, nodev, noexec } = mountAttributes
  try {
    bindTree(fd, target, { attributes: ro | nosuid | nodev | noexec })
  } finally {
    closeSync(fd)
  }
}
