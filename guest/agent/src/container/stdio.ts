/** The stdio of a process about to start: three pipes, or a terminal that crun makes and sends us. */
import { remove } from 'os'
import { accept, close, dup, listenUnix, open, pipe, receiveFd } from 'syscalls'
import type { Loop } from '../devices/loop.ts'
import { openFlags } from '../system/files.ts'
import {
  createInputStream,
  createOutputStream,
  type InputStream,
  type OutputStream,
  pipeBytes,
} from './streams.ts'

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

export function planPipes(loop: Loop): StdioPlan {
  const [stdin, stdout, stderr] = [pipe(pipeBytes), pipe(pipeBytes), pipe(pipeBytes)]
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

/** crun connects to `socketPath` and sends the terminal's master before it ends, so that nothing must be waited for. */
export function planTerminal(loop: Loop, socketPath: string): StdioPlan {
  const listener = listenUnix(socketPath)
  const none = open('/dev/null', openFlags.readWrite, 0)
  const stop = () => {
    close(listener)
    remove(socketPath)
  }
  return {
    fds: [none, none, none],
    args: ['--console-socket', socketPath],
    started: () => close(none),
    finish() {
      const connection = accept(listener)
      const master = connection === null ? null : receiveFd(connection)
      if (connection !== null) close(connection)
      stop()
      if (master === null) throw new Error('crun sent no terminal')
      // A descriptor of its own, so that waiting for room and waiting for output do not get into each other's way.
      const input = dup(master)
      return {
        stdin: createInputStream(loop, input),
        stdout: createOutputStream(loop, master, 'terminal'),
        stderr: undefined,
        // That of the output goes when no process has the terminal open any more, and its number to the next stream.
        terminal: input,
      }
    },
    abandon: stop,
  }
}

function closeAll(...fds: number[]): void {
  for (const fd of fds) close(fd)
}
