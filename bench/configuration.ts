/** What the benchmarks' machines are configured by. */
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { configuration } from '../e2e/harness/configuration.ts'
import type { Host } from './host.ts'

const shipped = resolve(import.meta.dir, '../packaging/configuration.toml')

/** The configuration that we ship, with other values of these keys; the accelerator is what this host has, and so is its patience. */
export function shippedWith(settings: Readonly<Record<string, string>>): string {
  const text = Object.entries({ accelerator: '"auto"', ...settings }).reduce(
    (so, [key, value]) => so.replace(new RegExp(`^${key} = .*$`, 'm'), `${key} = ${value}`),
    readFileSync(shipped, 'utf8'),
  )
  return configuration(text)
}

/** Cold; a clone of a template; a machine that waited; or a clone that maps the memory of all. */
export type StartKind = 'cold' | 'clone' | 'waiting' | 'mapped'

/** The path of the configuration that we ship, for starts of this kind. All clones but mapped ones have one template. */
export function configurationOf(
  { stateDir }: Pick<Host, 'stateDir'>,
  kind: StartKind,
  more: Readonly<Record<string, string>> = {},
): string {
  const path = `${stateDir}/${kind}.toml`
  const settings = {
    ...more,
    enable_template: `${kind !== 'cold'}`,
    template_path: `"${stateDir}/templates"`,
    vm_cache_number: kind === 'waiting' ? '1' : '0',
    // As docs/how-to/templates.md advises for such clones.
    ...(kind === 'mapped' ? { shared_fs: '"none"', block_device_driver: '"virtio-blk"' } : {}),
  }
  writeFileSync(path, shippedWith(settings))
  return path
}
