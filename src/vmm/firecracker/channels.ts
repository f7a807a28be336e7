/** The descriptors of one Firecracker's output: open before it exists, so that nothing of it is lost. */
import { closeSync, constants, openSync } from 'node:fs'
import { socketPair } from '../../linux/sockets/socket.ts'

export interface Channels {
  readonly ours: { readonly console: number; readonly output: number; readonly log: number }
  /** To be handed over. */
  readonly theirs: { readonly stdout: number; readonly stderr: number }
  /** Closes our copies of theirs, and our writing end of the log. */
  closeTheirs(): void
}

/** `logPath` is a named pipe. @throws SyscallError, and errors of open(2); nothing is left open then. */
export function openChannels(logPath: string): Channels {
  const opened: number[] = []
  const keep = <Fds extends readonly number[]>(...fds: Fds): Fds => {
    opened.push(...fds)
    return fds
  }
  try {
    const [console, stdout] = keep(...socketPair())
    const [output, stderr] = keep(...socketPair())
    const [log] = keep(openSync(logPath, constants.O_RDONLY | constants.O_NONBLOCK))
    // Keeps the pipe open while writers come and go.
    const [logEnd] = keep(openSync(logPath, constants.O_WRONLY | constants.O_NONBLOCK))
    return {
      ours: { console, output, log },
      theirs: { stdout, stderr },
      closeTheirs: () => {
        for (const fd of [stdout, stderr, logEnd]) closeSync(fd)
      },
    }
  } catch (error) {
    for (const fd of opened) closeSync(fd)
    throw error
  }
}
