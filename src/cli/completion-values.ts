/** What may stand behind an option, or as an argument, for completions. */

/** Fixed words, paths of the host, or neither: then nothing is offered. */
export type Values = readonly string[] | 'paths' | undefined

const booleans = ['true', 'false']
const signals = ['HUP', 'INT', 'KILL', 'QUIT', 'STOP', 'CONT', 'TERM', 'USR1', 'USR2']

const byFlag: Readonly<Record<string, readonly string[]>> = {
  '--accelerator': ['auto', 'kvm', 'tcg'],
  '--format': ['text', 'json'],
  '--log-level': ['debug', 'info', 'warn', 'error'],
  '--log-opt': ['max-size=', 'max-file='],
  '--network': ['none', 'bridge', 'ns:/run/netns/'],
  '--rootless': booleans,
  '--restart': ['no', 'on-failure', 'always', 'unless-stopped'],
  '--security-opt': ['seccomp=', 'no-new-privileges'],
}

const byPlaceholder: Readonly<Record<string, Values>> = {
  file: 'paths',
  'file[:tag]': 'paths',
  'src:dst[:ro]': 'paths',
  'src[:dst][:r]': 'paths',
  source: 'paths',
  destination: 'paths',
  dir: 'paths',
  path: 'paths',
  bool: booleans,
  signal: signals,
  shell: ['bash', 'zsh', 'fish'],
}

/** The values of the option `--flag <placeholder>`; undefined for an option without a value. */
export function valuesOfOption(flags: string, description: string): Values {
  const [, flag = '', placeholder] = /(--[a-z-]+)(?: [<[](.+)[>\]])?$/.exec(flags) ?? []
  if (placeholder === undefined) return undefined
  // Each command that has filters names its own in the help.
  if (flag === '--filter') return [...new Set(description.match(/\b[a-z]+=/g))]
  return byFlag[flag] ?? byPlaceholder[placeholder]
}

/** The values of a command's argument of this name. */
export const valuesOfArgument = (name: string): Values => byPlaceholder[name]
