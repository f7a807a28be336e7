/** What PID 1 does before it serves anybody: file systems, console, cgroups, loopback. */
import { chdir, mkdir } from 'os'
import { chroot, interfaceUp, limitFiles, mount, stdio, unlimitUsers } from 'syscalls'
import { errnoName, makeDirectories } from '../system/files.ts'
import { bundles, sharedDirectory } from '../system/paths.ts'
import { prepareCgroups } from './cgroups.ts'
import { mountFlags } from './flags.ts'
import { liftPodLimits } from './pod-limits.ts'

const { noSuid, noDev, noExec } = mountFlags

const fileSystems: readonly [source: string, target: string, type: string, flags: number, data: string][] = [
  ['proc', '/proc', 'proc', noSuid | noDev | noExec, ''],
  ['sysfs', '/sys', 'sysfs', noSuid | noDev | noExec, ''],
  ['devtmpfs', '/dev', 'devtmpfs', noSuid, 'mode=0755'],
  ['devpts', '/dev/pts', 'devpts', noSuid | noExec, 'mode=0620,gid=5,ptmxmode=0666'],
  ['tmpfs', '/dev/shm', 'tmpfs', noSuid | noDev, 'mode=1777'],
  ['tmpfs', '/run', 'tmpfs', noSuid | noDev, 'mode=0755'],
  ['tmpfs', '/tmp', 'tmpfs', noSuid | noDev, 'mode=1777'],
  ['cgroup2', '/sys/fs/cgroup', 'cgroup2', noSuid | noDev | noExec, 'nsdelegate'],
]

/** Brings the guest up. Throws when it cannot: the agent then ends with a message, and the kernel panics. */
export function bootGuest({ inInitramfs }: { inInitramfs: boolean }): void {
  if (inInitramfs) giveRootAParent()
  for (const [source, target, type, flags, data] of fileSystems) {
    makeDirectories(target)
    mountOnce(source, target, type, flags, data)
  }
  mountCopies()
  stdio('/dev/console')
  limitFiles(65_536, 1_048_576)
  // The kernel's defaults count processes, and signals and timers that wait, of one user in the whole pod, and come from the memory at boot.
  unlimitUsers()
  prepareCgroups()
  interfaceUp('lo')
  liftPodLimits()
}

/**
 * What the host copies, for want of a share, has room of its own: containers write to some of that, a termination message for instance, and
 * could fill the file system in which the agent keeps what it needs for every call. A share is mounted over it.
 */
function mountCopies(): void {
  makeDirectories(bundles, 0o711)
  makeDirectories(sharedDirectory)
  mount('tmpfs', sharedDirectory, 'tmpfs', noSuid | noDev, 'mode=0755')
}

/** A kernel that mounts its root itself may have mounted /dev as well (CONFIG_DEVTMPFS_MOUNT), which EBUSY tells. */
function mountOnce(...mounting: Parameters<typeof mount>): void {
  try {
    mount(...mounting)
  } catch (error) {
    if (errnoName(error) !== 'EBUSY') throw error
  }
}

/**
 * The initial RAM file system is the bottom of the mount tree, and pivot_root(2) refuses a root without a parent
 * (EINVAL). A bind of it, moved over it, has one, so that crun can pivot as it does anywhere else.
 */
function giveRootAParent(): void {
  mkdir('/mnt')
  mount('/', '/mnt', '', mountFlags.bind, '')
  chdir('/mnt')
  mount('.', '/', '', mountFlags.move, '')
  chroot('.')
  chdir('/')
}
