/** What the host asks to be mounted in the guest: Kata's Storage messages. */
import { chmod, lchown, mount } from 'syscalls'
import type { Storage } from '../../../src/protocol/generated/agent.ts'
import { deadline, invalid, unimplemented } from './errors.ts'
import { detach, errnoName, makeDirectories } from './files.ts'
import { splitMountOptions } from './mount-options.ts'
import { sleep } from './wait.ts'

/** How long a share may take to appear after the host has plugged it in. */
const hotplugMilliseconds = 3000

/** Kinds of storage that {@link mountStorage} knows. */
export const storageDrivers = ['virtio-fs', 'ephemeral', 'local']

/** Mounts one storage and returns its mount point. @throws TtrpcError for an unknown driver, SysError from mount(2). */
export async function mountStorage(storage: Storage): Promise<string> {
  const { driver, mountPoint, fsGroup } = storage
  if (!mountPoint.startsWith('/') || mountPoint.split('/').includes('..'))
    throw invalid(`storage mount point ${mountPoint} is not an absolute path`)
  if (fsGroup !== undefined) throw unimplemented('storage with an fs_group')
  makeDirectories(mountPoint)
  if (driver === 'virtio-fs') await mountShare(storage)
  else if (driver === 'ephemeral') mountEphemeral(storage)
  else if (driver === 'local') prepareLocal(storage)
  else throw unimplemented(`storage driver ${driver}`)
  return mountPoint
}

export function unmountStorage(mountPoint: string): void {
  detach(mountPoint)
}

/** A share may be plugged in only just before this call: the tag is unknown (EINVAL) until its driver has it. */
async function mountShare({ source, fstype, options, mountPoint }: Storage): Promise<void> {
  const { flags, data } = splitMountOptions(options)
  for (let waited = 0; ; waited += 5) {
    try {
      mount(source, mountPoint, fstype || 'virtiofs', flags, data)
      return
    } catch (error) {
      if (errnoName(error) !== 'EINVAL') throw error
      if (waited >= hotplugMilliseconds)
        throw deadline(`no share ${source} appeared within ${hotplugMilliseconds} ms`, error)
    }
    await sleep(5)
  }
}

/** Memory-backed: the sandbox's /dev/shm, and volumes that live as long as the pod. */
function mountEphemeral({ source, fstype, options, mountPoint }: Storage): void {
  const { flags, data, settings } = splitMountOptions(options)
  mount(source || 'tmpfs', mountPoint, fstype || 'tmpfs', flags, data)
  giveToGroup(mountPoint, settings.get('fsgid'))
}

/** A directory in the guest. */
function prepareLocal({ options, mountPoint }: Storage): void {
  const { settings } = splitMountOptions(options)
  chmod(mountPoint, Number.parseInt(settings.get('mode') ?? '0755', 8))
  giveToGroup(mountPoint, settings.get('fsgid'))
}

/** Group ownership that new files inherit (set-group-ID). */
function giveToGroup(path: string, group: string | undefined): void {
  if (group === undefined) return
  if (!/^\d+$/.test(group)) throw invalid(`fsgid=${group} is not a number`)
  lchown(path, -1, Number(group))
  chmod(path, 0o2775)
}
