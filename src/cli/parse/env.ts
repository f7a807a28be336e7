/** `-e KEY=VALUE` and `-e KEY`. */
import { KataError } from '../../errors.ts'

/**
 * Merges environment options over `base` (`KEY=VALUE` lines, for instance an image's). `-e KEY` without a value takes
 * it from `callerEnv`, as docker does, and adds nothing when it is not set there.
 *
 * @throws KataError OPTION_INVALID for an empty name or a NUL byte.
 */
export function mergeEnv(
  base: readonly string[],
  options: readonly string[],
  callerEnv: Readonly<Record<string, string | undefined>>,
): string[] {
  const merged = new Map<string, string>()
  for (const line of base) merged.set(nameOf(line), line)
  for (const option of options) {
    const name = nameOf(option)
    if (name === '' || option.includes('\0'))
      throw new KataError('OPTION_INVALID', { option: '--env', value: option, allowed: 'KEY=VALUE or KEY' })
    const value = option === name ? callerEnv[name] : option.slice(name.length + 1)
    if (value !== undefined) merged.set(name, `${name}=${value}`)
  }
  return [...merged.values()]
}

function nameOf(line: string): string {
  const equals = line.indexOf('=')
  return equals < 0 ? line : line.slice(0, equals)
}
