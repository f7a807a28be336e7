/**
 * Tries what a guest that had broken out of its machine would try, and prints for each act `ok` or the errno. It never
 * does harm: files are opened and closed, a signal is signal 0.
 *
 *   bun probe.ts '{"acts": [["read", "/etc/shadow"]], "as": {"uid": 1, "gid": 1, "groups": []}, "inPlaceOf": 123}'
 *
 * Without `as` it stays root. With `inPlaceOf` it enters that process's namespaces and root first. Identity and file
 * system view are changed for this thread only (raw system calls, unshare CLONE_FS), and it is this thread that acts.
 */
import { openSync, writeSync } from 'node:fs'
import { checked, cstring, lastErrno, libc, ptr } from '../../src/linux/libc.ts'

export interface ProbeRequest {
  readonly acts: readonly Act[]
  readonly as?: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] }
  readonly inPlaceOf?: number
}

export type Act =
  | readonly ['read' | 'write' | 'list' | 'connect', path: string]
  | readonly ['signal', pid: number]
  | readonly ['connect-tcp', port: number]
  | readonly ['become', uid: number]

const SYS = { open: 2, setuid: 105, setgroups: 116, setresuid: 117, setresgid: 119, setns: 308 } as const
const CLONE_FS = 0x200
const PR_SET_NO_NEW_PRIVS = 38
const O_WRONLY = 1
const O_DIRECTORY = 0o200000
const AF_UNIX = 1
const AF_INET = 2
const SOCK_STREAM = 1

const call = (number: number, ...args: (number | bigint)[]): number => {
  const [a = 0, b = 0, c = 0] = args
  return Number(libc.syscall(number, a, b, c, 0, 0, 0))
}

if (import.meta.main) {
  const { acts, as, inPlaceOf } = JSON.parse(process.argv[2] ?? '') as ProbeRequest
  if (inPlaceOf !== undefined) enter(inPlaceOf)
  if (as !== undefined) become(as)
  const results = acts.map((act) => (attempt(act) >= 0 ? 'ok' : lastErrno()))
  writeSync(1, JSON.stringify(results))
  // At once: a runtime without its privileges and its root has nothing to tidy up.
  process.kill(process.pid, 'SIGKILL')
}

/** Network, ipc and uts first: entering the mount namespace takes their names away. */
function enter(pid: number): void {
  const namespaces = ['net', 'ipc', 'uts', 'mnt'].map((kind) => openSync(`/proc/${pid}/ns/${kind}`, 'r'))
  checked(libc.unshare(CLONE_FS), 'unshare CLONE_FS')
  for (const fd of namespaces) checked(call(SYS.setns, fd, 0), 'setns')
}

function become({ uid, gid, groups }: NonNullable<ProbeRequest['as']>): void {
  const list = Uint32Array.from([...groups, 0])
  checked(call(SYS.setgroups, groups.length, BigInt(ptr(list))), 'setgroups')
  checked(call(SYS.setresgid, gid, gid, gid), 'setresgid')
  // From a uid 0 to none: the kernel clears permitted and effective capabilities (capabilities(7)).
  checked(call(SYS.setresuid, uid, uid, uid), 'setresuid')
  checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n), 'no new privileges')
}

function attempt([act, target]: Act): number {
  switch (act) {
    case 'read':
      return open(target, 0)
    case 'write':
      return open(target, O_WRONLY)
    case 'list':
      return open(target, O_DIRECTORY)
    case 'signal':
      return libc.kill(target, 0)
    case 'become':
      return call(SYS.setuid, target)
    case 'connect':
      return connect(AF_UNIX, unixAddress(target))
    case 'connect-tcp':
      return connect(AF_INET, loopbackAddress(target))
  }
}

function open(path: string, flags: number): number {
  const name = cstring(path)
  return call(SYS.open, BigInt(ptr(name)), flags)
}

function connect(family: number, address: Buffer): number {
  const fd = libc.socket(family, SOCK_STREAM, 0)
  return fd < 0 ? fd : libc.connect(fd, ptr(address), address.length)
}

/** struct sockaddr_un, unix(7). */
function unixAddress(path: string): Buffer {
  const bytes = Buffer.alloc(2 + Buffer.byteLength(path) + 1)
  bytes.writeUInt16LE(AF_UNIX, 0)
  bytes.write(path, 2)
  return bytes
}

/** struct sockaddr_in, ip(7). */
function loopbackAddress(port: number): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.writeUInt16LE(AF_INET, 0)
  bytes.writeUInt16BE(port, 2)
  bytes.set([127, 0, 0, 1], 4)
  return bytes
}
