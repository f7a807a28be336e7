/** Shims that start a machine and wait with it for a pod. They end with this process, unless a pod has taken the machine. */
import { closeSync } from 'node:fs'
import { socketPair } from '../../linux/sockets/socket.ts'
import type { PooledMachine } from '../../sandbox/pool/pool-machines.ts'
import { poolName } from '../../sandbox/records/paths.ts'
import { adoptConnected } from '../../ttrpc/bun.ts'
import type { Transport } from '../../ttrpc/transport.ts'
import { shimName } from '../../version.ts'
import type { Settings } from '../settings.ts'
import { shimEnvironment } from './shim-environment.ts'

export interface WaitingShim extends PooledMachine {
  /** The machine's name in the pool. */
  readonly id: string
}

/** Starts a waiting shim. It reads `configFile`, or else the default configuration, and logs to our stderr. */
export function startWaiting(settings: Settings, configFile: string | undefined): WaitingShim {
  const id = crypto.randomUUID().slice(0, 8)
  const ready = Promise.withResolvers<boolean>()
  const gone = Promise.withResolvers<void>()
  const over = () => {
    ready.resolve(false)
    gone.resolve()
  }
  let isEnded = false
  let link: Transport | undefined
  const [own, theirs] = socketPair()
  const connected = adoptConnected(own).then((transport) => {
    link = transport
    transport.onData(() => ready.resolve(true))
    transport.onClose(over)
    if (isEnded) transport.close()
  })
  const end = () => {
    isEnded = true
    link?.close()
  }
  spawnWaiting(settings, { id, configFile }, theirs, (code) => code !== 0 && end())
  connected.catch(over)
  return { id, ready: ready.promise, gone: gone.promise, end }
}

/** Spawns a process that leaves the waiting shim behind and ends. */
function spawnWaiting(
  { self, env, runDir }: Settings,
  { id, configFile }: { readonly id: string; readonly configFile: string | undefined },
  link: number,
  onExit: (code: number | null) => void,
): void {
  const named = configFile === undefined ? [] : ['-config', configFile]
  const flags = ['-namespace', poolName, '-id', id, '-run-dir', runDir, ...named, 'wait']
  try {
    const starter = Bun.spawn([self.program, ...self.prefix, ...flags], {
      argv0: shimName,
      cwd: '/',
      detached: true,
      env: shimEnvironment(env),
      stdio: ['ignore', 2, 2, link],
    })
    void starter.exited.then(onExit)
  } finally {
    closeSync(link)
  }
}
