/** The service's view of a member's process: what is asked of it, and what of its answers is believed. */
import { closeSync, constants, fstatSync, openSync, readlinkSync, statfsSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { writeAll } from '../../linux/files/named-write.ts'
import { O_PATH } from '../../linux/files/open-at.ts'
import { checked, libc } from '../../linux/libc.ts'
import { isSocketOfMessages } from '../../linux/sockets/peer.ts'
import { receiveFrame, sendFrame } from './frame.ts'
import { type Ask, answerLimits, readAnswer, readSent } from './messages.ts'
import type { Caller } from './restrict.ts'

/** A command has no use for more files than this. */
const mostAsks = 256
const F_GETFL = 3
const sendMs = 10_000

/** How a descriptor was opened. */
export type Access = 'read' | 'write' | 'location'

/**
 * Whether the descriptor itself may be used so. Root can open what is behind any descriptor again, by its path in /proc. So one
 * that was opened for less, or as a mere location, is the sender's way to have root open it for him.
 */
function allows(fd: number, access: Access): boolean {
  const flags = checked(libc.fcntl(fd, F_GETFL, 0), 'fcntl F_GETFL')
  if ((flags & O_PATH) !== 0) return access === 'location'
  const mode = flags & (constants.O_RDONLY | constants.O_WRONLY | constants.O_RDWR)
  if (access === 'location') return false
  return mode === constants.O_RDWR || mode === (access === 'read' ? constants.O_RDONLY : constants.O_WRONLY)
}

/**
 * By their magic numbers, as statfs(2) tells them: proc, sysfs, cgroup of both versions, debugfs, tracefs, securityfs, bpf, configfs and selinuxfs;
 * fusectl, whose files are those of the user who has mounted; apparmorfs, smackfs, binfmt_misc, efivarfs, pstore and resctrl.
 */
const kernelsOwn: ReadonlySet<number> = new Set([
  ...[0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x64626720, 0x74726163, 0x73636673, 0xcafe4a11, 0x62656570],
  ...[0xf97cff8c, 0x65735543, 0x5a3c69f0, 0x43415d53, 0x42494e4d, 0xde5e81e4, 0x6165676c, 0x7655821],
])

/** There, what is read and what a write does depends on who reads and writes, however the descriptor was opened. */
const isKernels = (fd: number): boolean => kernelsOwn.has(statfsSync(`/proc/self/fd/${fd}`).type >>> 0)
const onKernels = 'is on a file system of the kernel’s own'

/** `socket` is the connection to the process of user `uid`. Descriptors that it sends stay open as long as the command runs. */
export function createCaller(socket: number, { uid, gid }: { uid: number; gid: number }): Caller {
  let asks = 0
  const ask = (what: Ask['ask'], name: string): { value?: string; fd?: number } => {
    if (++asks > mostAsks)
      throw new KataError('SERVICE_REQUEST', { reason: `it names more than ${mostAsks} files` })
    sendFrame(socket, { ask: what, name }, { timeoutMs: sendMs })
    const frame = receiveFrame(socket, answerLimits)
    if (frame === undefined) throw new KataError('SERVICE_REQUEST', { reason: 'the command line has ended' })
    const [fd] = frame.fds
    const { errno, value } = readSent(readAnswer, frame.text, 'answer')
    if (errno !== undefined) {
      if (fd !== undefined) closeSync(fd)
      throw refuse(name, /^E[A-Z0-9]{1,20}$/.test(errno) ? errno : 'it cannot be opened')
    }
    return { ...(value === undefined ? {} : { value }), ...(fd === undefined ? {} : { fd }) }
  }
  const descriptor = (what: Ask['ask'], name: string, access: Access): number => {
    const { fd } = ask(what, name)
    if (fd === undefined) throw new KataError('SERVICE_REQUEST', { reason: 'an answer without a descriptor' })
    const isAllowed = allows(fd, access)
    if (isAllowed && (access === 'location' || !isKernels(fd))) return fd
    closeSync(fd)
    throw refuse(name, isAllowed ? `it ${onKernels}` : 'it was not opened as it was asked for')
  }
  return {
    uid,
    gid,
    readable(path) {
      const fd = descriptor('read', path, 'read')
      if (fstatSync(fd).isFile()) return `/proc/self/fd/${fd}`
      closeSync(fd)
      throw refuse(path, 'it is not a regular file')
    },
    location: (path) => descriptor('location', path, 'location'),
    writeNew(path, content) {
      const fd = descriptor('create', path, 'write')
      try {
        if (!fstatSync(fd).isFile()) throw refuse(path, 'it is not a regular file')
        writeAll(fd, Buffer.from(content), path)
      } finally {
        closeSync(fd)
      }
    },
    variable: (name) => ask('env', name).value,
  }
}

function refuse(path: string, reason: string): KataError {
  return new KataError('CALLER_FILE', { path, reason })
}

/** fstat(2) would fail on a file of the user's own FUSE, at which root may not look. */
function isDirectory(fd: number): boolean {
  try {
    closeSync(openSync(`/proc/self/fd/${fd}`, O_PATH | constants.O_DIRECTORY))
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return false
    throw error
  }
}

const streamNames = ['input', 'output', 'error']

/**
 * A directory is no stream: an image on standard input may be one, and root would open what is in it. Nor is a file of the kernel's own,
 * or a socket of messages: whom they reach is told that root has sent them (SCM_CREDENTIALS), and the journal believes that.
 *
 * @throws KataError SERVICE_REQUEST unless there are three, SERVICE_STREAM unless they can be used as standard streams.
 */
export function requireStreams(fds: readonly number[]): asserts fds is readonly [number, number, number] {
  if (fds.length !== 3) throw new KataError('SERVICE_REQUEST', { reason: `${fds.length} standard streams` })
  for (const [index, fd] of fds.entries()) {
    const refuse = (reason: string) =>
      new KataError('SERVICE_STREAM', {
        file: readlinkSync(`/proc/self/fd/${fd}`),
        stream: streamNames[index] ?? '',
        reason,
      })
    if (!allows(fd, index === 0 ? 'read' : 'write')) throw refuse('was not opened for that')
    if (isDirectory(fd)) throw refuse('is a directory')
    if (isSocketOfMessages(fd)) throw refuse('is a socket of messages')
    if (isKernels(fd)) throw refuse(onKernels)
  }
}
