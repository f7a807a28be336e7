/** Configuration values as a file has them. */
import type { KeySpec } from '../keys.ts'

/** A value of this key as a file has it: `kernel_params` is one string there and a list of words in Config. */
export function fileValue({ field }: KeySpec, value: unknown): unknown {
  return field === 'kernelParams' ? (value as string[]).join(' ') : value
}

/** A value of this key as it is written in a file. */
export function tomlValue(spec: KeySpec, value: unknown): string {
  const written = fileValue(spec, value)
  if (Array.isArray(written)) return `[${written.map((item) => JSON.stringify(item)).join(', ')}]`
  return JSON.stringify(written)
}
