/** `-e KEY=VALUE`, `-e KEY` and `--env-file`. */
import { KataError } from '../../errors.ts'

/** `KEY=VALUE`, or `KEY` for the caller's variable of that name. */
export interface EnvWishes {
  /** Lines of files. Where the caller has no such variable, a name alone changes nothing. */
  readonly files?: readonly string[]
  /** Where the caller has no such variable, a name alone removes it. */
  readonly options?: readonly string[]
}

/**
 * Merges variables over `base` (`KEY=VALUE` lines, for instance an image's), as docker does: options win over files.
 *
 * @throws KataError OPTION_INVALID for an empty name or a NUL byte.
 */
export function mergeEnv(
  base: readonly string[],
  { files = [], options = [] }: EnvWishes,
  callerEnv: Readonly<Record<string, string | undefined>>,
): string[] {
  const merged = new Map<string, string>()
  for (const line of base) merged.set(nameOf(line), line)
  for (const line of files) {
    const { name, value } = read(line, callerEnv)
    if (value !== undefined) merged.set(name, `${name}=${value}`)
  }
  for (const option of options) {
    const { name, value } = read(option, callerEnv)
    if (value === undefined) merged.delete(name)
    else merged.set(name, `${name}=${value}`)
  }
  return [...merged.values()]
}

function read(text: string, callerEnv: Readonly<Record<string, string | undefined>>) {
  const name = nameOf(text)
  if (name === '' || text.includes('\0'))
    throw new KataError('OPTION_INVALID', { option: '--env', value: text, allowed: 'KEY=VALUE or KEY' })
  // Every object has a `constructor`, and no environment does.
  const ofCaller = Object.hasOwn(callerEnv, name) ? callerEnv[name] : undefined
  return { name, value: text === name ? ofCaller : text.slice(name.length + 1) }
}

function nameOf(line: string): string {
  const equals = line.indexOf('=')
  return equals < 0 ? line : line.slice(0, equals)
}
