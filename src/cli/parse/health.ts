/** The health check of a container: the image's, changed by the options of `run`, in docker's words. */
import { KataError } from '../../errors.ts'
import type { ImageHealthcheck } from '../../images/formats/image-config.ts'
import type { HealthCheck } from '../client/life/health-check.ts'
import { parseDuration } from './duration.ts'
import { parseWhole } from './number.ts'

export interface HealthFlags {
  readonly healthCmd?: string
  readonly healthInterval?: string
  readonly healthTimeout?: string
  readonly healthRetries?: string
  readonly healthStartPeriod?: string
  readonly healthStartInterval?: string
  /** False with `--no-healthcheck`. */
  readonly healthcheck?: boolean
}

type Changes = Partial<Omit<HealthCheck, 'command'>> & { readonly test?: readonly string[] }

/** What an image leaves open, docker's. */
const defaults = {
  intervalMs: 30_000,
  timeoutMs: 30_000,
  startPeriodMs: 0,
  startIntervalMs: 5000,
  retries: 3,
}
/** Checks of an image follow each other no faster, milliseconds: a stranger wrote them, and starting each is work of the host's. */
const leastOfImageMs = 1000

/** What was asked for. @throws KataError OPTION_INVALID, OPTION_CONFLICT. */
export function parseHealth(flags: HealthFlags): Changes | 'none' {
  const { healthCmd, healthInterval, healthTimeout, healthRetries, healthStartPeriod } = flags
  const { healthStartInterval, healthcheck = true } = flags
  const time = (text: string | undefined, option: string, leastMs: number) =>
    text === undefined ? undefined : parseDuration(text, option, leastMs)
  const wanted = {
    // A command of no words was not asked for, as in docker: the image's stays.
    test: healthCmd ? ['CMD-SHELL', healthCmd] : undefined,
    intervalMs: time(healthInterval, '--health-interval', 1),
    timeoutMs: time(healthTimeout, '--health-timeout', 1),
    startPeriodMs: time(healthStartPeriod, '--health-start-period', 0),
    startIntervalMs: time(healthStartInterval, '--health-start-interval', 1),
    retries:
      healthRetries === undefined ? undefined : parseWhole(healthRetries, '--health-retries', 1, 1_000_000),
  }
  const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined))
  if (healthcheck) return given
  if (Object.keys(given).length > 0)
    throw new KataError('OPTION_CONFLICT', {
      options: '--no-healthcheck and --health-*',
      reason: 'without a check there is nothing to set',
      remedy: 'Omit --no-healthcheck, or the others.',
    })
  return 'none'
}

/** Undefined for a container without a check. */
export function healthCheckOf(
  asked: Changes | 'none',
  image: ImageHealthcheck | undefined,
): HealthCheck | undefined {
  if (asked === 'none') return undefined
  const { test = [], ...times } = { ...defaults, ...slowed(image), ...asked }
  const command = commandOf(test)
  return command === undefined ? undefined : { command, ...times }
}

function slowed(image: ImageHealthcheck = {}): ImageHealthcheck {
  const { intervalMs, startIntervalMs } = image
  const least = (name: string, ms: number | undefined) =>
    ms === undefined ? {} : { [name]: Math.max(ms, leastOfImageMs) }
  return { ...image, ...least('intervalMs', intervalMs), ...least('startIntervalMs', startIntervalMs) }
}

function commandOf([kind, ...words]: readonly string[]): readonly string[] | undefined {
  if (words.length === 0 || words[0] === '') return undefined
  if (kind === 'CMD') return words
  return kind === 'CMD-SHELL' ? ['/bin/sh', '-c', words.join(' ')] : undefined
}
