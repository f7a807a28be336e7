/** The changes that a command line makes to a loaded configuration. */
import type { Config } from './config.ts'
import { refused } from './decode.ts'
import { requireSupported } from './key-support.ts'
import { findKey, keysFor } from './keys.ts'
import { finish, type HostSize, readHostSize } from './validate.ts'
import { Refusal } from './value-types.ts'

export interface Overrides {
  /** MiB. */
  readonly memory?: number | undefined
  readonly vcpus?: number | undefined
  readonly rootless?: boolean | undefined
  readonly accelerator?: string | undefined
}

const options = [
  { field: 'memory', option: '--machine-memory', key: 'default_memory' },
  { field: 'vcpus', option: '--vcpus', key: 'default_vcpus' },
  { field: 'rootless', option: '--rootless', key: 'rootless' },
  { field: 'accelerator', option: '--accelerator', key: 'accelerator' },
] as const

/**
 * A new frozen Config with these values, under the rules of the file and never more than the host has.
 * @throws KataError CONFIG_TYPE, CONFIG_VALUE, CONFIG_VMM_CANNOT, CONFIG_CONFLICT naming the option
 */
export function applyOverrides(
  config: Config,
  overrides: Overrides,
  host: HostSize = readHostSize(),
): Config {
  const asked = options.filter(({ field }) => overrides[field] !== undefined)
  const { driver } = config.hypervisor
  const known = keysFor(driver)
  const changes = asked.map(({ field, option, key }) => {
    const where = `option ${option}`
    const spec = findKey(known, 'hypervisor', key)!
    const raw = String(overrides[field])
    requireSupported(driver, { spec, value: raw, where })
    const value = spec.type.fromText(raw)
    if (value instanceof Refusal) throw refused(value, { spec, raw, where })
    return [spec.field, value]
  })
  const optionOf = new Map<string, string>(asked.map(({ option, key }) => [key, `option ${option}`]))
  return finish(
    { ...config, hypervisor: { ...config.hypervisor, ...Object.fromEntries(changes) } },
    { where: (key) => optionOf.get(key) ?? config.source, host, asked: asked.map(({ key }) => key) },
  )
}
