import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Config } from '../../config/config.ts'
import { loadConfig } from '../../config/load.ts'
import { KataError } from '../../errors.ts'
import { underDirectoryLock } from '../../linux/files/directory-lock.ts'
import { processRef } from '../../linux/processes/proc.ts'
import { type Logger, silentLogger } from '../../log.ts'
import { ConfigWatch } from '../../sandbox/pool/config-watch.ts'
import { type HostLoad, pressureDir, readHostLoad } from '../../sandbox/pool/host-load.ts'
import { IdleShare } from '../../sandbox/pool/idle-share.ts'
import { endAllWaiting, listPool } from '../../sandbox/pool/pool.ts'
import { forgetPoolServer, notePoolServer } from '../../sandbox/pool/pool-server.ts'
import { servePool } from '../../sandbox/pool/serve-pool.ts'
import { poolName } from '../../sandbox/records/paths.ts'
import { hostMemoryMiB } from '../../sandbox/size/machine-sizer.ts'
import { planWithoutDemand } from '../../sandbox/size/sizing.ts'
import { templateObstacle } from '../../sandbox/template/template-machine.ts'
import { catchSignals } from '../client/signals.ts'
import { startWaiting } from '../client/waiting-shim.ts'
import type { FactoryFlags } from '../commands/factory.ts'
import { loadForPerson } from '../configuration.ts'
import type { Settings } from '../settings.ts'

/** Where tests have the pressure of a host that they make up. */
const pressureVariable = 'KATA_TS_PRESSURE_DIR'

/** How long another command may look at the directory, milliseconds. */
const lookedAtMs = 1000

/**
 * Keeps machines waiting until a signal ends it, and them. When the configuration changes, they end and others come in their place.
 *
 * @throws KataError POOL_REFUSED, also for a configuration that came later; POOL_SERVED.
 */
export async function serve(settings: Settings, flags: FactoryFlags): Promise<number> {
  const config = loadForPerson(settings, flags.config)
  const { runDir, log } = settings
  if (flags.ifEnabled && config.factory.vmCacheNumber === 0) return 0
  const directory = settings.env[pressureVariable] ?? pressureDir
  const load = loadOf(directory)
  requirePool(config, load)
  const path = `${runDir}/${poolName}`
  mkdirSync(runDir, { recursive: true, mode: 0o711 })
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const outcome = await underDirectoryLock(path, lookedAtMs, () => serveLocked(settings, flags, config, load))
  if (outcome !== 'done') throw new KataError('POOL_SERVED', { path })
  log.info('no machine waits any more')
  return 0
}

/** What keeps machines of this configuration from waiting for its pods. @throws KataError POOL_REFUSED. */
function requirePool(config: Config, load: () => HostLoad | undefined): void {
  const { factory, runtime } = config
  const obstacle = templateObstacle(config)
  const reasons: readonly (readonly [boolean, string])[] = [
    [factory.vmCacheNumber === 0, 'vm_cache_number in [factory] is 0'],
    [obstacle !== undefined, `${obstacle} of the configuration allows no templates`],
    // The kernel counts memory where it was touched first.
    [
      runtime.sandboxCgroupOnly,
      'sandbox_cgroup_only is to count all memory in the pod’s cgroup, and a waiting machine has touched its own before',
    ],
    [load() === undefined, 'the kernel tells of no pressure: it needs PSI (psi=1 on its command line)'],
  ]
  const found = reasons.find(([isSo]) => isSo)
  if (found !== undefined) throw new KataError('POOL_REFUSED', { reason: found[1] })
}

async function serveLocked(
  settings: Settings,
  flags: FactoryFlags,
  config: Config,
  load: () => HostLoad | undefined,
): Promise<void> {
  const { runDir, log } = settings
  const signals = catchSignals()
  const over = new AbortController()
  signals.handle(() => over.abort())
  const file = flags.config === undefined ? undefined : resolve(flags.config)
  const read = () => loadConfig({ file, env: settings.env, log: silentLogger })
  try {
    for (let served: Config | undefined = config; served !== undefined; ) {
      requirePool(served, load)
      const watch: ConfigWatch = new ConfigWatch({ config: served, read, log })
      await serveConfig(settings, { config: served, file, load, watch, signal: over.signal })
      served = over.signal.aborted ? undefined : watch.next()
      if (served !== undefined) log.info('the configuration is another, and machines are made anew')
    }
    await endAllWaiting(listPool(runDir, log), log)
  } finally {
    forgetPoolServer(runDir)
    signals.release()
  }
}

/** Until `signal` fires, or the configuration is another one. */
async function serveConfig(
  settings: Settings,
  {
    config,
    file,
    load,
    watch,
    signal,
  }: {
    readonly config: Config
    readonly file: string | undefined
    readonly load: () => HostLoad | undefined
    readonly watch: ConfigWatch
    readonly signal: AbortSignal
  },
): Promise<void> {
  const { runDir, log } = settings
  const server = processRef(process.pid)!
  const number = config.factory.vmCacheNumber
  const machineMiB = planWithoutDemand(config, hostMemoryMiB()).memoryMiB
  const ours = new Set<string>()
  await servePool(
    {
      start() {
        const machine = startWaiting(settings, file)
        ours.add(machine.id)
        void machine.gone.then(() => ours.delete(machine.id))
        return machine
      },
      load: () => load() ?? noPressureTold,
      sweep: () => endStrays(runDir, ours, log),
      isCurrent: () => watch.next() === undefined,
      tell(state) {
        try {
          notePoolServer(runDir, { process: server, number, ...state })
        } catch (error) {
          // Machines wait all the same.
          log.warn('what the pool is at cannot be written down', { error })
        }
      },
    },
    { number, machineMiB },
    { log, signal },
  )
}

/** As if memory ran short: a pool grows only where its end would be noticed. */
const noPressureTold: HostLoad = {
  cpu: 100,
  memory: { now: 100, lately: 100 },
  availableMiB: 0,
  totalMiB: 1,
}

function loadOf(directory: string): () => HostLoad | undefined {
  // A host that is made up has nothing but its pressure.
  const idle = directory === pressureDir ? new IdleShare() : undefined
  return () => readHostLoad(directory, idle)
}

/** Ends what is in the pool and not kept: what killed shims have left, and shims that hang and were to end. @throws as {@link endAllWaiting}. */
async function endStrays(runDir: string, kept: ReadonlySet<string>, log: Logger): Promise<void> {
  const strays = listPool(runDir, log).filter(({ id, state }) => state === 'dead' || !kept.has(id))
  await endAllWaiting(strays, log)
}
