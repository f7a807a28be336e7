/**
 * The agent's native modules (`syscalls`, `os` and `std`) for unit tests on the host: the calls on files, over node:fs and with the
 * errors of the real ones. Nothing is mounted: `mounts` lists what would be by then. Time runs a thousand times as fast.
 */
import * as fs from 'node:fs'
import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'

/** Lines on the console. */
export const said: string[] = []
/** Mounts that were asked for and were not taken away, as `source target type flags data`. */
export const mounts: string[] = []

const at = (directory: number, name: string) => `/proc/self/fd/${directory}/${name}`
const removeDirectory = 0x200

export const utf8Decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
export const utf8Encode = (text: string): Uint8Array => new TextEncoder().encode(text)

export function readFile(path: string): string {
  const text = fs.readFileSync(path, 'utf8')
  return path === '/proc/self/mounts' ? text + mounts.map((line) => `${line} 0 0\n`).join('') : text
}
export function writeFile(path: string, text: string, flags: number, mode: number): void {
  const fd = fs.openSync(path, flags | fs.constants.O_WRONLY, mode)
  try {
    fs.writeSync(fd, text)
  } finally {
    fs.closeSync(fd)
  }
}
export function read(fd: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  return bytes.subarray(0, fs.readSync(fd, bytes, 0, size, null))
}
export const pwrite = (fd: number, bytes: Uint8Array, position: number): void =>
  void fs.writeSync(fd, bytes, 0, bytes.length, position)
export function pread(fd: number, size: number, position: number): Uint8Array {
  const bytes = new Uint8Array(size)
  return bytes.subarray(0, fs.readSync(fd, bytes, 0, size, position))
}
export const open = (path: string, flags: number, mode: number): number => fs.openSync(path, flags, mode)
export const openIn = (directory: number, path: string, flags: number, mode: number): number =>
  fs.openSync(at(directory, inRoot(directory, path, (flags & fs.constants.O_NOFOLLOW) === 0)), flags, mode)

/** As openat2 with RESOLVE_IN_ROOT finds it: no link leads out of the directory. */
function inRoot(directory: number, path: string, followsLast: boolean): string {
  const pending = path.split('/').reverse()
  let found: string[] = []
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === '' || name === '.') continue
    if (name === '..') {
      found.pop()
      continue
    }
    const [target, error] = readlink(at(directory, [...found, name].join('/')))
    if (error !== 0 || (pending.length === 0 && !followsLast)) {
      found.push(name)
      continue
    }
    if (target.startsWith('/')) found = []
    pending.push(...target.split('/').reverse())
  }
  return found.join('/') || '.'
}

export const mkdirat = (directory: number, name: string, mode: number): void =>
  fs.mkdirSync(at(directory, name), { mode })
export function unlinkat(directory: number, name: string, flags: number): void {
  if (flags === removeDirectory) fs.rmdirSync(at(directory, name))
  else if (fs.lstatSync(at(directory, name)).isDirectory()) throw failed('EISDIR')
  else fs.unlinkSync(at(directory, name))
}
export const symlinkat = (directory: number, name: string, target: string): void =>
  fs.symlinkSync(target, at(directory, name))
export const renameat = (directory: number, name: string, to: string): void =>
  fs.renameSync(at(directory, name), at(directory, to))
export const lchownat = (directory: number, name: string, uid: number, gid: number): void =>
  fs.lchownSync(at(directory, name), uid, gid)
export const fileSize = (fd: number): number => fs.fstatSync(fd).size
export const chmod = (path: string, mode: number): void => fs.chmodSync(path, mode)
export const lchown = (path: string, uid: number, gid: number): void => fs.lchownSync(path, uid, gid)
export const fchmod = (fd: number, mode: number): void => fs.fchmodSync(fd, mode)
export const close = (fd: number): void => fs.closeSync(fd)
/** @throws Error EINVAL for the type `unmountable`. */
export function mount(source: string, target: string, type: string, flags: number, data: string): void {
  if (type === 'unmountable') throw Object.assign(failed('EINVAL'), { errno: constants.errno.EINVAL })
  mounts.push([source, target, type, flags, data].join(' '))
}
export const nameErrno = (errno: number): string => getSystemErrorName(-errno)
/** Takes away the last mount there. @throws Error EINVAL when there is none. */
export function umount(target: string): void {
  const last = mounts.findLastIndex((line) => line.split(' ')[1] === target)
  if (last < 0) throw failed('EINVAL')
  mounts.splice(last, 1)
}
/** Processes of their own that were asked for. */
export const started: string[] = []
export const syncFileSystem = (path: string): number => started.push(`sync ${path}`)
/** @throws Error ENOENT where the host has no such program. */
export function spawn([program = '', ...args]: readonly string[]): number {
  fs.accessSync(program)
  return started.push([program, ...args].join(' '))
}
export const enterDirectories = (paths: readonly string[]): number => started.push(`enter ${paths.join(' ')}`)
export const kill = (pid: number, signal: number): void => void started.push(`kill ${pid} ${signal}`)
export const startMount = (source: string, target: string): number =>
  started.push(`mount ${source} ${target}`)

/** Ends of children that nobody has waited for: number and exit code. */
export const ended: [pid: number, code: number][] = []
export const childSignals = (): number => fs.openSync('/dev/null', 'r')
export const reap = (): [number, number] | null => ended.shift() ?? null

const failed = (code: string) => Object.assign(new Error(code), { code })

/** The result of a call of `os`, and its errno; 0 when it worked. */
function told<T>(call: () => T, otherwise: T): [T, number] {
  try {
    return [call(), 0]
  } catch (error) {
    return [otherwise, Math.abs((error as { errno: number }).errno)]
  }
}

const factsOf = (look: typeof fs.statSync | typeof fs.lstatSync) => (path: string) =>
  told(() => {
    const { mode, uid, gid, size, ino, rdev, mtimeMs } = look(path)
    return { mode, uid, gid, size, ino, rdev, mtime: mtimeMs }
  }, undefined)
export const stat = factsOf(fs.statSync)
export const lstat = factsOf(fs.lstatSync)
export const mkdir = (path: string, mode: number): number =>
  -told(() => fs.mkdirSync(path, { mode }), undefined)[1]
export const names = (path: string): string[] => fs.readdirSync(path)
export const directories = (path: string): string[] =>
  names(path).filter((name) => fs.lstatSync(`${path}/${name}`).isDirectory())
export const readlink = (path: string) => told(() => fs.readlinkSync(path), '')
export const remove = (path: string): number => {
  const take = () => (fs.lstatSync(path).isDirectory() ? fs.rmdirSync(path) : fs.unlinkSync(path))
  return -told(take, undefined)[1]
}
export const rename = (from: string, to: string): number => -told(() => fs.renameSync(from, to), undefined)[1]

const timer = globalThis.setTimeout
export const setTimeout = (action: () => void, milliseconds: number) => timer(action, milliseconds / 1000)
export const clearTimeout = globalThis.clearTimeout

export const err = { puts: (text: string): void => void said.push(text.trimEnd()), flush: (): void => {} }

/** Calls that no test makes. */
const absent = (): never => {
  throw failed('ENOSYS')
}
export const [loadModule, loadPackedModule, mapDevice, unmapDevice] = Array(4).fill(absent)
export const [accept, dup, listenUnix, receiveFd, stdio] = Array(5).fill(absent)
export const [setHostname, setNonblocking, write, setReadHandler] = Array(4).fill(absent)
export const [epollControl, epollCreate, epollWait] = Array(3).fill(absent)
export const [addEntropy, reboot, sealedCopy, setClock, sync] = Array(5).fill(absent)
/** The numbers are no descriptors: nothing is done with them. */
export const pipe = (): [number, number] => [-1, -1]
export const [openPeer, readInto, available] = Array(3).fill(absent)
export const [takeOutput, bringInput, cancelTransfer, endTransfer] = Array(4).fill(absent)
