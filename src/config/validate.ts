/** The rules that concern more than one key or the host's size; every Config passes through {@link finish} last. */
import { availableParallelism, totalmem } from 'node:os'
import { KataError } from '../errors.ts'
import type { Config, HypervisorConfig } from './config.ts'
import { configurationOf, configurations } from './drivers.ts'
import { tableName } from './keys.ts'
import { unassignedEnd } from './unassigned-ids.ts'

/** The host's processors and memory. */
export interface HostSize {
  readonly cpus: number
  readonly memoryMiB: number
}

export function readHostSize(): HostSize {
  return { cpus: availableParallelism(), memoryMiB: Math.floor(totalmem() / 1024 ** 2) }
}

/**
 * Resolves the values that mean "as the host has", checks the rules between keys and freezes the result.
 * `where` names the place of a key for messages. A file may ask for more CPUs than the host has and gets those it has,
 * as in Kata; for the keys in `asked` (annotation, command line) that is an error, because someone asked for it explicitly.
 * @throws KataError CONFIG_CONFLICT, CONFIG_VALUE
 */
export function finish(
  config: Config,
  { where, host, asked = [] }: { where: (key: string) => string; host: HostSize; asked?: readonly string[] },
): Config {
  const { defaultVcpus, defaultMaxVcpus, defaultMemory } = config.hypervisor
  const atMost = (key: string, value: number, most: number, unit: string) => {
    if (value <= most || !asked.includes(key)) return Math.min(value, most)
    const allowed = `at most ${most}${unit}, as much as the host has`
    throw new KataError('CONFIG_VALUE', { where: where(key), key, value, allowed })
  }
  // Memory is not cut to the host's size: guest memory is used only when touched, and a pod may rely on its size.
  atMost('default_memory', defaultMemory, host.memoryMiB, ' MiB')
  const hypervisor = {
    ...config.hypervisor,
    defaultVcpus: atMost('default_vcpus', defaultVcpus < 0 ? host.cpus : defaultVcpus || 1, host.cpus, ''),
    defaultMaxVcpus: atMost('default_maxvcpus', defaultMaxVcpus, host.cpus, ''),
  }
  requireConsistent(hypervisor, where, defaultVcpus)
  requireLimited(hypervisor, where)
  requireDriversRules({ ...config, hypervisor }, where)
  requireTemplates(config, where)
  return deepFreeze({
    ...config,
    hypervisor,
    agent: { ...config.agent, dialTimeout: config.agent.dialTimeout || 30 },
  })
}

/** `askedVcpus`: as it was written, for messages. */
function requireConsistent(
  given: HypervisorConfig,
  where: (key: string) => string,
  askedVcpus: number,
): void {
  const vcpus = `${askedVcpus}${askedVcpus === given.defaultVcpus ? '' : `, here ${given.defaultVcpus}`}`
  const conflict = (key: string, reason: string, hint: string) =>
    new KataError('CONFIG_CONFLICT', { where: where(key), reason, hint })
  if (given.image !== '' && given.initrd !== '')
    throw conflict('image', 'image and initrd are both set', 'Keep one of them.')
  if (given.defaultMaxVcpus !== 0 && given.defaultVcpus > given.defaultMaxVcpus)
    throw conflict(
      'default_maxvcpus',
      `default_vcpus (${vcpus}) is more than default_maxvcpus (${given.defaultMaxVcpus})`,
      'Raise default_maxvcpus, or set it to 0 for as many as the host has.',
    )
  if (given.defaultMaxMemory !== 0 && given.defaultMemory > given.defaultMaxMemory)
    throw conflict(
      'default_maxmemory',
      `default_memory (${given.defaultMemory} MiB) is more than default_maxmemory (${given.defaultMaxMemory} MiB)`,
      'Raise default_maxmemory, or set it to 0 for the memory of the host.',
    )
  if (given.hotPlugVfio !== 'no-port' && given.coldPlugVfio !== 'no-port')
    throw conflict('cold_plug_vfio', 'hot_plug_vfio and cold_plug_vfio are both set', 'Keep one of them.')
  if (given.rootlessUidBase + given.rootlessUidBlocks * 65536 > unassignedEnd)
    throw conflict(
      'rootless_uid_base',
      `${given.rootlessUidBlocks} blocks of 65536 ids from ${given.rootlessUidBase} end above ${unassignedEnd}`,
      `Lower rootless_uid_base, or set rootless_uid_blocks to at most ${Math.floor((unassignedEnd - given.rootlessUidBase) / 65536)}.`,
    )
}

/** The rules of the driver. */
function requireDriversRules(config: Config, where: (key: string) => string): void {
  const { driver } = config.hypervisor
  const { name, rules } = configurationOf(driver)
  const broken = rules.find(({ isBroken }) => isBroken(config))
  if (broken === undefined) return
  const { key, asked, reason } = broken
  const others = configurations.filter((other) => !other.rules.some((rule) => rule.asked === asked))
  throw new KataError('CONFIG_VMM_CANNOT', {
    where: where(key),
    asked,
    vmm: name,
    reason,
    possible: others
      .map((other) => tableName(other.driver, 'hypervisor'))
      .map((table) => `[${table}]`)
      .join(', '),
  })
}

/** A waiting machine is a clone of a template. */
function requireTemplates({ factory, hypervisor }: Config, where: (key: string) => string): void {
  const { vmCacheNumber, enableTemplate } = factory
  if (vmCacheNumber === 0) return
  const able = configurations.filter(({ has }) => (has as readonly string[]).includes('enableTemplate'))
  const own = configurationOf(hypervisor.driver)
  if (!able.some(({ driver }) => driver === own.driver))
    throw new KataError('CONFIG_VMM_CANNOT', {
      where: where('vm_cache_number'),
      asked: `vm_cache_number = ${vmCacheNumber}`,
      vmm: own.name,
      reason: 'waiting machines are clones of templates, and kata-ts makes none of its machines yet',
      possible: able.map(({ driver }) => `[${tableName(driver, 'hypervisor')}]`).join(', '),
    })
  if (!enableTemplate)
    throw new KataError('CONFIG_CONFLICT', {
      where: where('vm_cache_number'),
      reason: 'vm_cache_number is set without enable_template, and waiting machines are clones of templates',
      hint: 'Set enable_template = true as well, or remove vm_cache_number.',
    })
}

/** A burst beside no limit would be read as one. */
function requireLimited(given: HypervisorConfig, where: (key: string) => string): void {
  const pairs = [
    ['bw', given.diskRateLimiterBwMaxRate, given.diskRateLimiterBwOneTimeBurst],
    ['ops', given.diskRateLimiterOpsMaxRate, given.diskRateLimiterOpsOneTimeBurst],
  ] as const
  const alone = pairs.find(([, rate, burst]) => burst !== 0 && rate === 0)
  if (alone === undefined) return
  const [rate, burst] = ['max_rate', 'one_time_burst'].map((end) => `disk_rate_limiter_${alone[0]}_${end}`)
  throw new KataError('CONFIG_CONFLICT', {
    where: where(burst!),
    reason: `${burst} is set without ${rate}, of which it is a part`,
    hint: `Set ${rate} as well, or remove ${burst}.`,
  })
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner)
    Object.freeze(value)
  }
  return value
}
