import type { Settings } from '../settings.ts'

/** The environment without BUN_OPTIONS and BUN_BE_BUN, which would make our executable behave as another program. */
export function shimEnvironment(env: Settings['env']): Record<string, string> {
  const { BUN_OPTIONS: _options, BUN_BE_BUN: _beBun, ...rest } = env
  return Object.fromEntries(
    Object.entries(rest).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
