/** What is looked after of a container's network while the container runs: the rules that close the host to it, and its processes. */
import { KataError } from '../../errors.ts'
import { signalProcess } from '../../linux/processes/signal.ts'
import type { Logger } from '../../log.ts'
import { lastWords } from '../../plain-text.ts'
import { exitWords } from '../../rootless/jail/launch-spec.ts'
import type { Launched } from '../../rootless/launcher.ts'
import { realClock, sleep } from '../../time.ts'
import { lookTimes } from './filter-watch.ts'
import type { HostWall } from './host-rules.ts'
import type { LaunchedPasta } from './pasta.ts'

/** Before a name server that has ended is started again, milliseconds: each time twice as long, unless it ran for longer than the longest. */
const [firstPauseMs, longestPauseMs] = [250, 60_000]

type Running = Pick<Launched, 'exited'>

export interface NameServer {
  readonly running: Running
  /** Starts it again. @throws KataError. */
  again(signal: AbortSignal): Promise<Running>
}

export interface LookedAfter {
  readonly pasta: Pick<LaunchedPasta, 'ref' | 'exited' | 'said'>
  readonly wall: HostWall
  readonly nameServer: NameServer | undefined
}

/**
 * Until `signal` fires, which is before any of it is ended on purpose. Resolves once nothing of it is being made any more, after that or
 * after the network was lost.
 */
export async function lookAfter(network: LookedAfter, log: Logger, signal: AbortSignal): Promise<void> {
  const lost = new AbortController()
  const together = AbortSignal.any([signal, lost.signal])
  void network.pasta.exited.then(async (exit) => {
    if (signal.aborted) return
    lost.abort()
    // Its end took the gateway along, and with that the container's end of the link.
    const said = lastWords(await network.pasta.said())
    const error = new KataError('NETWORK_LOST', { reason: `pasta has ended (${exitWords(exit)}): ${said}` })
    log.error('a container has no network any more', { error })
  })
  const { nameServer } = network
  const looks = [keepWall(network, log, together)]
  if (nameServer !== undefined) looks.push(keepNameServer(nameServer, log, together))
  await Promise.all(looks)
}

/** Rules that cannot be laid again end the network: the host's own services would be open to the container. */
async function keepWall({ wall, pasta }: LookedAfter, log: Logger, signal: AbortSignal): Promise<void> {
  const next = lookTimes(wall.watch, signal)
  try {
    for (;;) {
      await next()
      if (wall.isWhole()) continue
      await wall.mend(signal)
      log.warn('rules that keep a container from the host had been removed or changed: they are laid again')
    }
  } catch (error) {
    if (signal.aborted) return
    log.error('the host cannot be closed to a container again, whose network ends for that', { error })
    signalProcess(pasta.ref, 'SIGKILL')
  }
}

async function keepNameServer(server: NameServer, log: Logger, signal: AbortSignal): Promise<void> {
  let running: Running | undefined = server.running
  const over = new Promise<undefined>((resolve) =>
    signal.addEventListener('abort', () => resolve(undefined), { once: true }),
  )
  for (let pause = firstPauseMs; ; pause = Math.min(2 * pause, longestPauseMs)) {
    const began = realClock.now()
    const exit = running && (await Promise.race([running.exited, over]))
    if (signal.aborted) return
    if (exit !== undefined)
      log.warn('the name server of a container has ended, and is started again', { how: exitWords(exit) })
    if (realClock.now() - began > longestPauseMs) pause = firstPauseMs
    try {
      running = undefined
      await sleep(pause, signal)
      running = await server.again(signal)
    } catch (error) {
      if (signal.aborted) return
      log.warn('the name server of a container does not start', { error })
    }
  }
}
