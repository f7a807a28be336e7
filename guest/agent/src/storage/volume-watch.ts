/** Volumes that containers watch (Kata's `watchable-bind`). The container gets a copy in memory, whose changes raise events. */
import { type Facts, lstat } from 'os'
import { close, mount, open, read, readFile } from 'syscalls'
import type { Storage } from '../../../../src/protocol/generated/agent.ts'
import { mountFlags } from '../boot/flags.ts'
import { deadline, describe, internal } from '../errors.ts'
import { say } from '../system/console.ts'
import { errnoName, linkTarget, list, makeDirectories, openFlags } from '../system/files.ts'
import { sleep } from '../system/wait.ts'
import { copyFile, removeCopied } from './copy-file.ts'
import { type Look, mirrorLimits, type VolumeCopy, VolumeMirror, type VolumeSource } from './volume-mirror.ts'

export const watchDriver = 'watchable-bind'
/** Time between two looks, as in Kata. */
const lookMilliseconds = 2000
/** Most time to wait for a change to end. kubelet needs less. */
const settleMilliseconds = 5000
/** ENOENT */
const noEntry = 2
/** Such a volume has no set-id programs or devices. Executable scripts are common, so noexec is not set. */
const memoryFlags = mountFlags.noSuid | mountFlags.noDev

export interface VolumeWatch {
  /** Stops looking for changes. The copy stays. */
  stop(): void
}

/**
 * Copies the volume to its mount point, a directory on a file system in memory, and again whenever it changes. While a volume that has grown is
 * too large, the copy stays as it was. A volume that is too large from the start is mounted itself.
 *
 * @throws TtrpcError DEADLINE_EXCEEDED if the volume changes all the time; INVALID_ARGUMENT for a mount point outside the share.
 */
export async function watchVolume({ source, mountPoint }: Storage): Promise<VolumeWatch> {
  mountMemory(mountPoint.slice(0, mountPoint.lastIndexOf('/')))
  const mirror = new VolumeMirror(sourceAt(source), copyAt(mountPoint))
  if ((await firstLook(mirror, source)) === 'large') {
    makeDirectories(mountPoint)
    mount(source, mountPoint, '', mountFlags.bind, '')
    say(`${source} is too large to be copied: its changes raise no events`)
    return { stop: () => {} }
  }
  let isStopped = false
  void (async () => {
    let told = ''
    for (;;) {
      await sleep(lookMilliseconds)
      if (isStopped) return
      const trouble = troubleOf(mirror)
      if (trouble !== '' && trouble !== told) say(`the copy of ${source} stays as it was: ${trouble}`)
      told = trouble
    }
  })()
  return {
    stop: () => {
      isStopped = true
    },
  }
}

/** Mounts the file system for all volume copies of the pod, once. It stays when the last copy goes, and disappears with the share around it. */
function mountMemory(directory: string): void {
  if (readFile('/proc/self/mounts').includes(` ${directory} tmpfs `)) return
  makeDirectories(directory)
  mount('tmpfs', directory, 'tmpfs', memoryFlags, 'mode=0700')
}

async function firstLook(mirror: VolumeMirror, source: string): Promise<Look> {
  for (let waited = 0; ; waited += 50) {
    const look = mirror.look()
    if (look !== 'moving') return look
    if (waited >= settleMilliseconds)
      throw deadline(`${source} was changing for all of ${settleMilliseconds} ms`)
    await sleep(50)
  }
}

/** Why the copy cannot be brought up to date; empty if it is. */
function troubleOf(mirror: VolumeMirror): string {
  try {
    const { files, bytes } = mirrorLimits
    return mirror.look() === 'large' ? `it has more than ${files} files or ${bytes} bytes` : ''
  } catch (error) {
    return describe(error)
  }
}

function sourceAt(top: string): VolumeSource {
  return {
    // The dot makes the kernel enter a mount of the share there.
    facts: (path) => factsOf(path === '' ? `${top}/.` : top + path),
    names: (path) => list(top + path),
    linkTo: (path) => linkTarget(top + path),
    read: (path, size) => readStart(top + path, size),
  }
}

function factsOf(path: string): Facts | undefined {
  const [facts, error] = lstat(path)
  if (error === 0) return facts
  if (error === noEntry) return undefined
  throw internal(`${path} cannot be looked at (errno ${error})`)
}

function readStart(path: string, size: number): Uint8Array | undefined {
  try {
    const fd = open(path, openFlags.readOnly | openFlags.noFollow | openFlags.nonBlock, 0)
    try {
      return read(fd, size) ?? undefined
    } finally {
      close(fd)
    }
  } catch (error) {
    if (errnoName(error) === 'ENOENT') return undefined
    throw error
  }
}

function copyAt(top: string): VolumeCopy {
  return {
    put({ path, facts: { mode, uid, gid }, linkTo }, data) {
      const content = data ?? new TextEncoder().encode(linkTo ?? '')
      copyFile({
        path: top + path,
        fileMode: mode,
        dirMode: 0o755,
        uid,
        gid,
        offset: 0n,
        fileSize: BigInt(content.length),
        data: content,
      })
    },
    remove: (path) => removeCopied(top + path),
  }
}
