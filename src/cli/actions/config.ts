import type { Config } from '../../config/config.ts'
import { keysFor, tableName } from '../../config/keys.ts'
import { loadConfig } from '../../config/load.ts'
import { render } from '../output/format.ts'
import { table } from '../output/table.ts'
import type { Settings } from '../settings.ts'

/** Prints the effective configuration under the names of the file's keys. */
export async function showConfig(settings: Settings, file: string | undefined): Promise<number> {
  const config = loadConfig({ file, env: settings.env, log: settings.log })
  settings.print(render(settings.format, config, asText))
  return 0
}

function asText(config: Config): string {
  const sections = {
    hypervisor: config.hypervisor,
    'agent.kata': config.agent,
    runtime: config.runtime,
  }
  const { driver } = config.hypervisor
  const meant = keysFor(driver).filter((spec) => spec.drivers.includes(driver))
  const rows = meant.map(({ table: name, key, field }) => [
    tableName(driver, name),
    key,
    JSON.stringify((sections[name] as unknown as Record<string, unknown>)[field] ?? null),
  ])
  const files = [`source: ${config.source}`, ...config.dropIns.map((dropIn) => `drop-in: ${dropIn}`)]
  return `${files.join('\n')}\n\n${table(['TABLE', 'KEY', 'VALUE'], rows)}`
}
