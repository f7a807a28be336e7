/** The stdio of a process about to start: three pipes, or a terminal that crun makes and sends us. */
import { remove } from 'os'
import { accept, close, dup, listenUnix, open, openPeer, pipe, receiveFd } from 'syscalls'
import type { Loop } from '../devices/loop.ts'
import { openFlags } from '../system/files.ts'
import { createInputStream, type InputStream } from './input-stream.ts'
import { pipeBytes } from './output-source.ts'
import { createOutputStream, type OutputStream } from './output-stream.ts'

export interface ProcessStdio {
  readonly stdin: InputStream
  readonly stdout: OutputStream
  /** Undefined for a process with a terminal. */
  readonly stderr: OutputStream | undefined
  /** Master of the terminal, for its size. */
  readonly terminal: number | undefined
}

export interface StdioPlan {
  /** Descriptors that crun gets as 0, 1, 2. */
  readonly fds: readonly [number, number, number]
  /** What crun must be told. */
  readonly args: readonly string[]
  /** To be called when crun has started: closes our copies of its ends. */
  started(): void
  /** To be called when crun has succeeded. */
  finish(): ProcessStdio
  /** To be called when crun has failed. */
  abandon(): void
}

/** @throws SysError EMFILE, ENFILE; nothing of it stays open then. */
export function planPipes(loop: Loop): StdioPlan {
  const [stdin, stdout, stderr] = threePipes()
  return {
    fds: [stdin[0], stdout[1], stderr[1]],
    args: [],
    started: () => closeAll(stdin[0], stdout[1], stderr[1]),
    finish: () => ({
      stdin: createInputStream(loop, stdin[1]),
      stdout: createOutputStream(loop, stdout[0], 'pipe'),
      stderr: createOutputStream(loop, stderr[0], 'pipe'),
      terminal: undefined,
    }),
    abandon: () => closeAll(stdin[1], stdout[0], stderr[0]),
  }
}

type Pipe = ReturnType<typeof pipe>

function threePipes(): [Pipe, Pipe, Pipe] {
  const made: Pipe[] = []
  try {
    while (made.length < 3) made.push(pipe(pipeBytes))
    return made as [Pipe, Pipe, Pipe]
  } catch (error) {
    closeAll(...made.flat())
    throw error
  }
}

/** crun connects to `socketPath` and sends the terminal's master before it ends, so that nothing must be waited for. @throws as {@link planPipes}. */
export function planTerminal(loop: Loop, socketPath: string): StdioPlan {
  const none = open('/dev/null', openFlags.readWrite, 0)
  const listener = orClose(none, () => listenUnix(socketPath))
  const stop = () => {
    close(listener)
    remove(socketPath)
  }
  return {
    fds: [none, none, none],
    args: ['--console-socket', socketPath],
    started: () => close(none),
    finish() {
      const master = receiveTerminal(listener, stop)
      const peer = orClose(master, () => openPeer(master))
      // A descriptor of its own, so that waiting for room and waiting for output do not get into each other's way.
      const input = orClose(master, () => orClose(peer, () => dup(master)))
      return {
        stdin: createInputStream(loop, input),
        stdout: createOutputStream(loop, master, 'terminal', peer),
        stderr: undefined,
        // That of the output goes when the process has ended and no other has the terminal open, and its number to the next stream.
        terminal: input,
      }
    },
    abandon: stop,
  }
}

/** `stop` is called whether there is one or not. */
function receiveTerminal(listener: number, stop: () => void): number {
  let connection: number | null = null
  try {
    connection = accept(listener)
    const master = connection === null ? null : receiveFd(connection)
    if (master === null) throw new Error('crun sent no terminal')
    return master
  } finally {
    if (connection !== null) close(connection)
    stop()
  }
}

/** The result of `work`; `fd` is closed when that fails. */
function orClose<T>(fd: number, work: () => T): T {
  try {
    return work()
  } catch (error) {
    close(fd)
    throw error
  }
}

function closeAll(...fds: number[]): void {
  for (const fd of fds) close(fd)
}
