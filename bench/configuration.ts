/** What the benchmarks' machines are configured by. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { configuration } from '../e2e/harness/configuration.ts'

const shipped = resolve(import.meta.dir, '../packaging/configuration.toml')

/** The configuration that we ship, with other values of these keys; the accelerator is what this host has, and so is its patience. */
export function shippedWith(settings: Readonly<Record<string, string>>): string {
  const text = Object.entries({ accelerator: '"auto"', ...settings }).reduce(
    (so, [key, value]) => so.replace(new RegExp(`^${key} = .*$`, 'm'), `${key} = ${value}`),
    readFileSync(shipped, 'utf8'),
  )
  return configuration(text)
}
