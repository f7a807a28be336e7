/** Small checked values of options. */
import { hostCpuset } from '../../cgroups/cpuset.ts'
import { KataError } from '../../errors.ts'

/** A whole number from `min` to `max`. @throws KataError OPTION_INVALID. */
export function parseWhole(text: string, option: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max))
    throw new KataError('OPTION_INVALID', {
      option,
      value: text,
      allowed: `a whole number from ${min} to ${max}`,
    })
  return value
}

/** One of `choices`. @throws KataError OPTION_INVALID. */
export function parseChoice<Choice extends string>(
  text: string,
  option: string,
  choices: readonly Choice[],
): Choice {
  const choice = choices.find((candidate) => candidate === text)
  if (choice === undefined)
    throw new KataError('OPTION_INVALID', { option, value: text, allowed: choices.join(', ') })
  return choice
}

/** `true` or `false`. @throws KataError OPTION_INVALID. */
export function parseBoolean(text: string, option: string): boolean {
  return parseChoice(text, option, ['true', 'false']) === 'true'
}

/** Seconds until SIGKILL, or -1 for no end. @throws KataError OPTION_INVALID. */
export function parseStopTimeout(text: string, option: string): number {
  const value = /^(-1|\d{1,9})$/.test(text) ? Number(text) : undefined
  if (value === undefined)
    throw new KataError('OPTION_INVALID', { option, value: text, allowed: 'seconds, or -1 to wait for ever' })
  return value
}

/** Processes of a container; undefined for no limit, which is 0 or -1 as with docker. @throws KataError OPTION_INVALID. */
export function parsePidsLimit(text: string): number | undefined {
  if (text === '0' || text === '-1') return undefined
  const [least, most] = [1, 4_194_304]
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw new KataError('OPTION_INVALID', {
    option: '--pids-limit',
    value: text,
    allowed: `a whole number from ${least} to ${most}, or -1 for no limit`,
  })
}

/** The kernel takes no quota below 1 ms in its period of 100 ms. */
const leastCpus = 0.01
const mostCpus = 240

/** Processors with fractions, as `--cpus` has them: no more than the host has, as with docker. @throws KataError OPTION_INVALID. */
export function parseCpus(text: string, ofHost = hostCpuset().cpus.length): number {
  const most = Math.min(ofHost, mostCpus)
  const value = /^(\d+(\.\d*)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= leastCpus && value <= most))
    throw new KataError('OPTION_INVALID', {
      option: '--cpus',
      value: text,
      allowed: `a number from ${leastCpus} to ${most}, as many as the host has, such as 0.5`,
    })
  return value
}
