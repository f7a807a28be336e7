/** A mount namespace for tests: their mounts are invisible outside and do not outlive them. */
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { checked, libc } from '../linux/libc.ts'
import { mount, mountFlags, unmount, unmountBelow } from '../linux/mounts/mount.ts'

const CLONE_FS = 0x200
const CLONE_NEWNS = 0x20000
const SYS_setns = 308 // x86-64

export interface MountSandbox {
  /** An empty directory on a tmpfs. */
  readonly directory: string
  leave(): void
}

/** Moves this thread into a new mount namespace until `leave`. Needs root. */
export function enterMountSandbox(): MountSandbox {
  const directory = mkdtempSync('/tmp/kata-ts-share-')
  const before = openSync('/proc/thread-self/ns/mnt', 'r')
  checked(libc.unshare(CLONE_NEWNS), 'unshare mount namespace')
  mount({ source: 'none', target: '/', flags: mountFlags.slave | mountFlags.rec })
  mount({ source: 'tmpfs', target: directory, type: 'tmpfs' })
  return {
    directory,
    leave() {
      unmountBelow(directory)
      // Threads that started meanwhile share our working directory, and setns(2) refuses that.
      checked(libc.unshare(CLONE_FS), 'unshare working directory')
      checked(libc.syscall(SYS_setns, before, CLONE_NEWNS, 0, 0, 0, 0), 'setns')
      closeSync(before)
      rmSync(directory, { recursive: true })
    },
  }
}

/** Mounts a file system whose server answers no request, until it is disposed of. Needs /dev/fuse. */
export function mountSilent(target: string): Disposable {
  const server = openSync('/dev/fuse', 'r+')
  const data = `fd=${server},rootmode=40000,user_id=0,group_id=0`
  mount({ source: 'silent', target, type: 'fuse', data })
  return {
    [Symbol.dispose]() {
      // Closing ends all waiting requests with an error.
      closeSync(server)
      unmount(target)
    },
  }
}

/** As {@link mountSilent}, but the server takes every request and answers none: processes that wait cannot even be killed. */
export function mountStuck(target: string): Disposable & { endServer(): void } {
  const server = openSync('/dev/fuse', constants.O_RDWR | constants.O_NONBLOCK)
  const data = `fd=${server},rootmode=40000,user_id=0,group_id=0`
  mount({ source: 'stuck', target, type: 'fuse', data })
  const request = Buffer.alloc(128 * 1024)
  readSync(server, request)
  writeSync(server, initAnswer(request.readBigUInt64LE(8)))
  const take = () => {
    try {
      for (;;) readSync(server, request)
    } catch {
      // EAGAIN: no request is left.
    }
  }
  const taking = setInterval(take, 1)
  let hasEnded = false
  const endServer = () => {
    clearInterval(taking)
    if (!hasEnded) closeSync(server)
    hasEnded = true
  }
  return {
    endServer,
    [Symbol.dispose]() {
      endServer()
      unmount(target)
    },
  }
}

/** The answer to FUSE_INIT (linux/fuse.h), version 7.31 without features. The kernel sends no other request before it. */
function initAnswer(unique: bigint): Buffer {
  const answer = Buffer.alloc(16 + 64)
  answer.writeUInt32LE(answer.length, 0)
  answer.writeBigUInt64LE(unique, 8)
  answer.writeUInt32LE(7, 16)
  answer.writeUInt32LE(31, 20)
  answer.writeUInt32LE(4096, 16 + 20) // max_write
  return answer
}
