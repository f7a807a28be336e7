/** Where a person changes a key, for remedies. */
import type { Config } from '../config.ts'

/** A key of a drop-in wins over the one of its main file. The built-in configuration is no file, so one has to be made. */
export function fileToChange({ source, dropIns }: Pick<Config, 'source' | 'dropIns'>): string {
  if (!source.startsWith('/')) return '/etc/kata-ts/configuration.toml (there is none yet)'
  return dropIns.length === 0 ? source : `${source} (or in ${dropIns.join(', ')}, if it is there)`
}
