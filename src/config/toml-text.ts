/** Configuration values as TOML text. */
import type { KeySpec } from './keys.ts'

/** A value of this key as it is written in a file. */
export function tomlValue(spec: KeySpec, value: unknown): string {
  // `kernel_params` is one string in the file and a list of words in Config.
  if (spec.field === 'kernelParams') return JSON.stringify((value as string[]).join(' '))
  if (Array.isArray(value)) return `[${value.map((item) => JSON.stringify(item)).join(', ')}]`
  return JSON.stringify(value)
}
