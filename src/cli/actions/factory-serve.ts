import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Config } from '../../config/config.ts'
import { KataError } from '../../errors.ts'
import { underDirectoryLock } from '../../linux/files/directory-lock.ts'
import type { Logger } from '../../log.ts'
import { type HostLoad, pressureDir, readHostLoad } from '../../sandbox/pool/host-load.ts'
import { endWaiting, listPool } from '../../sandbox/pool/pool.ts'
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

/** Keeps machines waiting until a signal ends it, and them. @throws KataError POOL_UNUSABLE, POOL_SERVED. */
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
  const outcome = await underDirectoryLock(path, 0, () => serveLocked(settings, flags, config, load))
  if (outcome !== 'done') throw new KataError('POOL_SERVED', { path })
  log.info('no machine waits any more')
  return 0
}

/** What keeps machines of this configuration from waiting for its pods. @throws KataError POOL_UNUSABLE. */
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
  if (found !== undefined) throw new KataError('POOL_UNUSABLE', { reason: found[1] })
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
  const machineMiB = planWithoutDemand(config, hostMemoryMiB()).memoryMiB
  const bounds = { number: config.factory.vmCacheNumber, machineMiB }
  try {
    await servePool(
      {
        start: () => startWaiting(settings, file),
        load: () => load() ?? noPressureTold,
        sweep: () => endDead(runDir, log),
      },
      bounds,
      { log, signal: over.signal },
    )
    for (const entry of listPool(runDir, log)) await endWaiting(entry, log)
  } finally {
    signals.release()
  }
}

/** As if memory ran short: a pool grows only where its end would be noticed. */
const noPressureTold: HostLoad = {
  cpu: 100,
  memory: { now: 100, lately: 100 },
  availableMiB: 0,
  totalMiB: 1,
}

const loadOf = (directory: string) => () => readHostLoad(directory)

/** One that cannot be released stays written down, and the next look tries again. */
async function endDead(runDir: string, log: Logger): Promise<void> {
  for (const entry of listPool(runDir, log).filter(({ state }) => state === 'dead'))
    await endWaiting(entry, log).catch((error) => log.error('a dead machine left something', { error }))
}
