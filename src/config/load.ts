/** configuration.toml and its drop-ins, read, checked and merged into one frozen Config. */
import type { Logger } from '../log.ts'
import type {
  AgentConfig,
  Config,
  FactoryConfig,
  HypervisorConfig,
  HypervisorDriver,
  RuntimeConfig,
} from './config.ts'
import { decode, placeOf, type Setting, warnOnce } from './decode.ts'
import { defaultDriver } from './drivers.ts'
import { findDropIns } from './files/drop-ins.ts'
import { chosenDriver } from './files/hypervisor-tables.ts'
import { findMainFile, type Reading, readingOf } from './files/search.ts'
import { parseToml, readMainFile, type TomlFile } from './files/toml-file.ts'
import { unsetByZero } from './kata/kata-keys.ts'
import { judgeKataKeys } from './kata/kata-settings.ts'
import type { KeySpec, TableName } from './keys.ts'
import { type KnownKeys, knownKeys } from './known-keys.ts'
import { finish, type HostSize, readHostSize } from './validate.ts'

export interface LoadOptions {
  /** The file a person or containerd named; wins over everything else. */
  readonly file?: string | undefined
  /** The process's environment: KATA_CONF_FILE, and SCHED_CORE, by which containerd asks for core scheduling. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Default: `/etc/kata-ts`, then Kata's two places. */
  readonly searchPaths?: readonly string[] | undefined
  readonly log: Logger
  readonly host?: HostSize | undefined
}

/**
 * Finds and loads the configuration; without any file the built-in one, which is what packaging/configuration.toml says but for
 * keys with a value of its own.
 * @throws KataError CONFIG_* with file and line
 */
export function loadConfig({ file, env, searchPaths, log, host = readHostSize() }: LoadOptions): Config {
  const main = findMainFile({ file, env, searchPaths })
  if (main === undefined) return withEnvironment(builtInConfig(host), env)
  if (main.unread !== undefined)
    log.warn(
      'drop-ins beside a link have no effect: those beside the file that it leads to count',
      main.unread,
    )
  const files = [readMainFile(main.path), ...findDropIns(main.path).map((read) => read())]
  return withEnvironment(merge(files, main.reading, log, host), env)
}

function withEnvironment(config: Config, { SCHED_CORE = '' }: LoadOptions['env']): Config {
  if (SCHED_CORE === '') return config
  const hypervisor = Object.freeze({ ...config.hypervisor, enableCoreScheduling: true })
  return Object.freeze({ ...config, hypervisor })
}

/** Loads one configuration text as a file of that name, for tools and tests. @throws KataError CONFIG_* */
export function loadConfigText(file: string, bytes: Uint8Array, log: Logger, host = readHostSize()): Config {
  return merge([parseToml(file, bytes)], readingOf(file), log, host)
}

/** The configuration without any file. */
export function builtInConfig(
  host: HostSize = readHostSize(),
  driver: HypervisorDriver = defaultDriver,
): Config {
  const config = build({ source: 'built-in', dropIns: [] }, knownKeys(driver), (spec) => spec.builtIn)
  return finish(config, { where: () => 'built-in configuration', host })
}

/** Later files win key by key; a list replaces the earlier list. Drop-ins are read as their main file is. */
function merge(files: readonly TomlFile[], reading: Reading, log: Logger, host: HostSize): Config {
  const warn = warnOnce(log)
  const given = chosenDriver(files)
  const driver = given ?? defaultDriver
  const known = knownKeys(driver)
  judgeKataKeys(known, files, warn)
  const settings = new Map<KeySpec, Setting>(
    files.flatMap((source) => decode(source, known, warn)).map((setting) => [setting.spec, setting]),
  )
  const [main, ...dropIns] = files.map((source) => source.file)
  const config = build({ source: main!, dropIns }, known, (spec) => {
    const value = settings.get(spec)?.value
    // A file without a hypervisor table gets our defaults, with all walls, even in Kata's own places.
    const isKata = reading === 'kata' && !(spec.table === 'hypervisor' && given === undefined)
    if (value !== undefined && !(isKata && value === 0 && unsetByZero.includes(spec.key))) return value
    return isKata ? spec.absent : spec.shipped
  })
  const where = (key: string) => {
    const setting = [...settings.values()].find(({ spec }) => spec.key === key && spec.table !== 'agent.kata')
    return setting === undefined ? main! : placeOf(setting)
  }
  return finish(config, { where, host })
}

function build(
  { source, dropIns }: Pick<Config, 'source' | 'dropIns'>,
  { driver, keys }: KnownKeys,
  pick: (spec: KeySpec) => unknown,
): Config {
  const section = (table: TableName) =>
    Object.fromEntries(
      keys
        .filter((spec) => spec.table === table)
        // Lists are copied: the result is frozen, the table of keys is not ours to freeze.
        .map((spec) => [spec.field, structuredClone(pick(spec))]),
    )
  return {
    source,
    dropIns,
    // keysOf() ties each field's type to its section; a test checks that the table names every field.
    hypervisor: { driver, assetHashes: {}, ...section('hypervisor') } as unknown as HypervisorConfig,
    agent: section('agent.kata') as unknown as AgentConfig,
    runtime: section('runtime') as unknown as RuntimeConfig,
    factory: section('factory') as unknown as FactoryConfig,
  }
}
