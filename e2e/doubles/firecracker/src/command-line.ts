/** The arguments of the real program that make sense for a machine that comes over the API. */

export interface Options {
  readonly apiSocket: string
  readonly id: string
  /** Where its log goes; absent: to stdout. */
  readonly logPath?: string
}

/** With a value: those that the double knows, and those that the jailer adds, which change nothing here. */
const valued = [
  '--api-sock',
  '--id',
  '--level',
  '--log-path',
  '--start-time-us',
  '--start-time-cpu-us',
  '--parent-cpu-time-us',
]
const levels = ['off', 'error', 'warn', 'warning', 'info', 'debug', 'trace']
const idForm = /^[A-Za-z0-9-]{1,64}$/

/** The options, `version`, or what is wrong with them. */
export function parseArguments(words: readonly string[]): Options | 'version' | `error: ${string}` {
  const values = new Map<string, string>()
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!
    if (word === '--version') return 'version'
    const value = words[index + 1]
    if (!valued.includes(word))
      return `error: Found argument '${word}' which wasn't expected, or isn't valid in this context.`
    if (value === undefined || value.startsWith('--'))
      return `error: The argument '${word}' requires a value, but none was supplied.`
    if (values.has(word)) return `error: The argument '${word}' was provided more than once.`
    values.set(word, value)
    index++
  }
  const id = values.get('--id') ?? 'anonymous-instance'
  const level = values.get('--level')
  if (!idForm.test(id)) return `error: Invalid instance ID: ${id}`
  if (level !== undefined && !levels.includes(level.toLowerCase())) return `error: Invalid level: ${level}`
  const logPath = values.get('--log-path')
  const apiSocket = values.get('--api-sock') ?? '/run/firecracker.socket'
  return { apiSocket, id, ...(logPath === undefined ? {} : { logPath }) }
}
