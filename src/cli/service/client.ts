/** The command line of a user who is not root: the service runs it, and this process is his terminal, his signals and his rights. */
import { closeSync, constants, openSync } from 'node:fs'
import { constants as osConstants } from 'node:os'
import type { Socket } from 'bun'
import { KataError } from '../../errors.ts'
import { readText } from '../../json/document.ts'
import { O_PATH } from '../../linux/files/open-at.ts'
import { isTerminal } from '../../linux/is-terminal.ts'
import { SyscallError } from '../../linux/libc.ts'
import { adoptSocket } from '../../linux/sockets/adopt-socket.ts'
import { peerOf } from '../../linux/sockets/peer.ts'
import { connectUnix } from '../../linux/sockets/socket.ts'
import { keepTerminal } from '../../linux/terminal.ts'
import type { ResultFile } from '../output/result-file.ts'
import type { Settings } from '../settings.ts'
import { isGone, receiveFrame, sendFrame } from './frame.ts'
import { MadeFiles, madeNone } from './made-files.ts'
import {
  type Answer,
  type Ask,
  askLimits,
  decodeEnd,
  protocolVersion,
  type Request,
  readAsk,
} from './messages.ts'
import { hasService, socketPath } from './socket-path.ts'

const { O_CREAT, O_EXCL, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants
const sendMs = 10_000
const forwarded = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGTERM', 'SIGWINCH'] as const

/**
 * Returns the command's exit code; undefined when there is no service. `result` is told what the command told.
 *
 * @throws KataError SERVICE_UNREACHABLE, SERVICE_LOST.
 */
export async function throughService(
  { runDir, env, tell }: Settings,
  argv: readonly string[],
  result: ResultFile,
): Promise<number | undefined> {
  if (!hasService(runDir)) return undefined
  const path = socketPath(runDir)
  const socket = connect(path)
  const request: Request = { version: protocolVersion, argv }
  try {
    sendFrame(socket, request, { fds: [0, 1, 2], timeoutMs: sendMs })
  } catch (error) {
    // It may have been refused before it was read; the reason waits to be read.
    if (!isGone(error)) throw error
  }
  const made = new MadeFiles()
  const last = unlessLost(() => answerAll(socket, env, made))
  if (last.ask === 'go') return command(socket, result, made)
  closeSync(socket)
  made.remove()
  tell(last.name)
  if (last.error === undefined) result.error(new Error(last.name))
  else result.add({ errors: [last.error], warnings: [] })
  return last.code ?? 1
}

/** @throws KataError SERVICE_LOST when the service is gone. */
function unlessLost<T>(talk: () => T): T {
  try {
    return talk()
  } catch (cause) {
    throw isGone(cause) ? new KataError('SERVICE_LOST', {}, { cause }) : cause
  }
}

function connect(path: string): number {
  const refuse = (reason: string, cause?: unknown) =>
    new KataError('SERVICE_UNREACHABLE', { path, reason }, { cause })
  let socket: number
  try {
    socket = connectUnix(path)
  } catch (error) {
    throw error instanceof SyscallError ? refuse(error.errno, error) : error
  }
  // It gets our terminal, and we open files for it.
  if (peerOf(socket).uid === 0) return socket
  closeSync(socket)
  throw refuse('it is not root’s')
}

/** Does what the service asks for; its last word. */
function answerAll(socket: number, env: Settings['env'], made: MadeFiles): Ask {
  for (;;) {
    const frame = receiveFrame(socket, askLimits)
    if (frame === undefined) throw new KataError('SERVICE_LOST')
    const ask = readText(readAsk, frame.text, { path: 'message of the service' })
    if (ask.ask === 'go' || ask.ask === 'refused') return ask
    const { fd, ...answer } = answerTo(ask, env)
    sendFrame(socket, answer satisfies Answer, { fds: fd === undefined ? [] : [fd], timeoutMs: sendMs })
    if (fd === undefined) continue
    if (ask.ask === 'create') made.add(ask.name, fd)
    closeSync(fd)
  }
}

const flags = { read: O_RDONLY | O_NONBLOCK, location: O_PATH, create: O_WRONLY | O_CREAT | O_EXCL }

function answerTo({ ask, name }: Ask, env: Settings['env']): Answer & { fd?: number } {
  if (ask === 'env') return env[name] === undefined ? {} : { value: env[name] }
  if (ask !== 'read' && ask !== 'location' && ask !== 'create') return {}
  try {
    return { fd: openSync(name, flags[ask], 0o666) }
  } catch (error) {
    return { errno: (error as NodeJS.ErrnoException).code ?? 'EIO' }
  }
}

/** Passes signals on until the command has ended. @throws KataError SERVICE_LOST. */
async function command(socket: number, result: ResultFile, made: MadeFiles): Promise<number> {
  const closed = Promise.withResolvers<void>()
  const received: Buffer[] = []
  const sent: number[] = []
  const connection: Socket<undefined> = await adoptSocket(socket, {
    data: (_, bytes) => void received.push(Buffer.from(bytes)),
    close: () => closed.resolve(),
  })
  const listeners = forwarded.map((name) => {
    const number = osConstants.signals[name]
    const listener = () => {
      if (name !== 'SIGWINCH') sent.push(number)
      connection.write(Uint8Array.of(number))
    }
    process.on(name, listener)
    return () => process.off(name, listener)
  })
  const restore = isTerminal(0) ? keepTerminal(0) : () => {}
  try {
    await closed.promise
    const end = decodeEnd(Buffer.concat(received))
    if (end !== undefined) {
      result.add(end)
      if (madeNone(end)) made.remove()
      return end.exitCode
    }
    const last = sent.at(-1)
    if (last === undefined) throw new KataError('SERVICE_LOST')
    // A command that does not catch a signal ends by it, and says nothing.
    return 128 + last
  } finally {
    restore()
    for (const off of listeners) off()
    connection.end()
  }
}
