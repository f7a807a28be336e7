import type { Config } from '../../config/config.ts'
import { fileValue, tomlValue } from '../../config/files/toml-text.ts'
import { type KeySpec, keysFor, type TableName, tableName } from '../../config/keys.ts'
import { loadForPerson } from '../configuration.ts'
import { render } from '../output/format.ts'
import { table } from '../output/table.ts'
import type { Settings } from '../settings.ts'

/** Prints the effective configuration under the names of the file's keys. */
export async function showConfig(settings: Settings, file: string | undefined): Promise<number> {
  const config = loadForPerson(settings, file)
  settings.print(render(settings.format, asFile(config), () => asText(config)))
  return 0
}

interface Shown {
  readonly spec: KeySpec
  readonly value: unknown
}

/** The keys that have a meaning for the VMM, each with its value. */
function shown({ hypervisor, agent, runtime, factory }: Config): Shown[] {
  const sections = { hypervisor, 'agent.kata': agent, runtime, factory }
  return keysFor(hypervisor.driver)
    .filter((spec) => spec.drivers.includes(hypervisor.driver))
    .map((spec) => ({
      spec,
      value: (sections[spec.table] as unknown as Record<string, unknown>)[spec.field],
    }))
}

/** Tables and keys as in a file. */
function asFile(config: Config) {
  const { source, dropIns } = config
  const all = shown(config)
  const section = (name: TableName) =>
    Object.fromEntries(
      all.flatMap(({ spec, value }) => (spec.table === name ? [[spec.key, fileValue(spec, value)]] : [])),
    )
  return {
    source,
    drop_ins: dropIns,
    hypervisor: { [config.hypervisor.driver]: section('hypervisor') },
    agent: { kata: section('agent.kata') },
    runtime: section('runtime'),
    factory: section('factory'),
  }
}

function asText(config: Config): string {
  const { driver } = config.hypervisor
  const rows = shown(config).map(({ spec, value }) => [
    tableName(driver, spec.table),
    spec.key,
    tomlValue(spec, value),
  ])
  const files = [`source: ${config.source}`, ...config.dropIns.map((dropIn) => `drop-in: ${dropIn}`)]
  return `${files.join('\n')}\n\n${table(['TABLE', 'KEY', 'VALUE'], rows)}`
}
