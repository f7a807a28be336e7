/** The sockets of one Cloud Hypervisor: made by us before it exists, handed over open. */
import { closeSync, rmSync } from 'node:fs'
import { connectUnix, listenUnix, socketPair } from '../../linux/sockets/socket.ts'

/** One end of every channel. */
export interface Ends {
  readonly api: number
  readonly events: number
  readonly console: number
  readonly output: number
}

export interface Channels {
  /** The connection to the API waits in the backlog until the VMM accepts it, so no other process can be first. */
  readonly ours: Ends
  /** To be handed over. The API's end listens. */
  readonly theirs: Ends
  /** Closes our copies of theirs. */
  closeTheirs(): void
}

const apiPath = (privateDir: string): string => `${privateDir}/api.sock`

/** @throws SyscallError EADDRINUSE; KataError SOCKET_PATH_TOO_LONG. Nothing is left open or bound then. */
export function openChannels(privateDir: string): Channels {
  const opened: number[] = []
  const keep = <Fds extends readonly number[]>(...fds: Fds): Fds => {
    opened.push(...fds)
    return fds
  }
  const pair = () => keep(...socketPair())
  const [listener] = keep(listenUnix(apiPath(privateDir)))
  try {
    const [api] = keep(connectUnix(apiPath(privateDir)))
    const [events, console, output] = [pair(), pair(), pair()]
    const theirs = { api: listener, events: events[1], console: console[1], output: output[1] }
    return {
      ours: { api, events: events[0], console: console[0], output: output[0] },
      theirs,
      closeTheirs: () => {
        for (const fd of Object.values(theirs)) closeSync(fd)
      },
    }
  } catch (error) {
    for (const fd of opened) closeSync(fd)
    removeApiSocket(privateDir)
    throw error
  }
}

/** Removes the file; it means nothing once the VMM is gone. */
export function removeApiSocket(privateDir: string): void {
  rmSync(apiPath(privateDir), { force: true })
}
