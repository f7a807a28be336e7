/** Further arguments of virtiofsd, in its own spelling and in the one of its forerunner that Kata's Rust runtime writes. */
import { strings, type ValueType } from './value-types.ts'

// Arguments that kata-ts sets itself, or that would widen virtiofsd's rights.
const reserved =
  /^--(fd|socket|socket-path|socket-group|shared-dir|tag|sandbox|seccomp|cache|modcaps|uid-map|gid-map|print-capabilities|help|version)(=|$)/

const plain = strings(
  (text) => /^--[a-z][a-z0-9-]*(=[!-~]*)?$/.test(text) && !reserved.test(text),
  'arguments of the form --name or --name=value that neither kata-ts sets itself nor widen its rights; "-o", "name" is read as "--name" for the names that virtiofsd has under both spellings',
)

/** Options of `-o` that virtiofsd has as `--name`, too. */
const oldOptions: readonly string[] = [
  'allow_direct_io',
  'announce_submounts',
  'killpriv_v2',
  'log_level',
  'no_killpriv_v2',
  'no_readdirplus',
  'posix_acl',
  'security_label',
  'writeback',
  'xattr',
]

export const daemonArgs: ValueType<readonly string[]> = {
  ...plain,
  fromToml: (value) => plain.fromToml(modernized(value)),
  // A JSON list in annotations of the Go runtime, commas in those of runtime-rs.
  fromText: (text) => daemonArgs.fromToml(parsed(text) ?? text.split(',')),
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Each `-o a,b=c` as `--a`, `--b=c`; anything else, an unknown option included, as it is. */
function modernized(value: unknown): unknown {
  if (!Array.isArray(value)) return value
  const result: unknown[] = []
  for (let index = 0; index < value.length; index++) {
    const options = value[index] === '-o' ? modernOptions(value[index + 1]) : undefined
    result.push(...(options ?? [value[index]]))
    if (options !== undefined) index++
  }
  return result
}

function modernOptions(list: unknown): string[] | undefined {
  if (typeof list !== 'string') return undefined
  const options = list.split(',')
  if (!options.every((option) => oldOptions.includes(option.split('=', 1)[0]!))) return undefined
  return options.map((option) => option.replace(/^[^=]*/, (name) => `--${name.replaceAll('_', '-')}`))
}
