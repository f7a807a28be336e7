/** The arguments of the real program that make sense for a machine that comes over the API. */

export interface Options {
  /** Listening descriptor of the API. */
  readonly api: number
  readonly events: number | undefined
  readonly seccomp: boolean
  readonly verbosity: number
}

export const usage =
  'Usage: cloud-hypervisor --api-socket fd=<fd> [--event-monitor fd=<fd>] [--seccomp true|false|log] [-v...] | --version'

/** The options, `version`, or what is wrong with them. */
export function parseArguments(words: readonly string[]): Options | 'version' | `error: ${string}` {
  const values = new Map<string, string>()
  let verbosity = 0
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!
    if (word === '--version' || word === '-V') return 'version'
    const value = words[index + 1]
    if (/^-v+$/.test(word)) verbosity += word.length - 1
    else if (!['--api-socket', '--event-monitor', '--seccomp'].includes(word))
      return `error: unexpected argument '${word}' found`
    else if (value === undefined) return `error: a value is required for '${word}' but none was supplied`
    else if (values.has(word)) return `error: the argument '${word}' cannot be used multiple times`
    else values.set(word, words[++index]!)
  }
  const fd = (word: string) => /^fd=(\d+)$/.exec(values.get(word) ?? '')?.[1]
  const api = fd('--api-socket')
  const events = fd('--event-monitor')
  const seccomp = values.get('--seccomp') ?? 'true'
  if (api === undefined) return 'error: the double takes --api-socket fd=<fd> only'
  if (values.has('--event-monitor') && events === undefined)
    return 'error: the double takes --event-monitor fd=<fd> only'
  if (!['true', 'false', 'log'].includes(seccomp)) return `error: invalid value '${seccomp}' for '--seccomp'`
  return {
    api: Number(api),
    events: events === undefined ? undefined : Number(events),
    seccomp: seccomp === 'true',
    verbosity,
  }
}
