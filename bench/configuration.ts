/** What the benchmarks' machines are configured by. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

const shipped = resolve(import.meta.dir, '../packaging/configuration.toml')

/** The configuration that we ship, with other values of these keys; the accelerator is what this host has. */
export function shippedWith(settings: Readonly<Record<string, string>>): string {
  return Object.entries({ accelerator: '"auto"', ...settings }).reduce(
    (text, [key, value]) => text.replace(new RegExp(`^${key} = .*$`, 'm'), `${key} = ${value}`),
    readFileSync(shipped, 'utf8'),
  )
}
