/** What an image says about how its container is run (OCI image specification, config.md). */
import { posix } from 'node:path'
import { dictionary, list, record } from '../../json/compounds.ts'
import { anything } from '../../json/document.ts'
import { number, type Reader, text } from '../../json/values.ts'

export interface ImageConfig {
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
  /** `NAME=value`. */
  readonly env: readonly string[]
  /** Absolute. Empty: `/`. */
  readonly workingDir: string
  /** `user[:group]`, names or numbers; empty: root. */
  readonly user: string
  /** Name or number of the signal that asks the command to end; empty: SIGTERM. */
  readonly stopSignal: string
  /** Its HEALTHCHECK. */
  readonly healthcheck?: ImageHealthcheck
  /** Its EXPOSE: `80/tcp`, or whatever else it has there. */
  readonly exposedPorts?: readonly string[]
}

/** What an image leaves open is absent. */
export interface ImageHealthcheck {
  /** `CMD` with arguments, `CMD-SHELL` with a command, or `NONE`. */
  readonly test?: readonly string[]
  readonly intervalMs?: number
  readonly timeoutMs?: number
  readonly startPeriodMs?: number
  readonly startIntervalMs?: number
  readonly retries?: number
}

/** For root file systems that say nothing. */
export const emptyImageConfig: ImageConfig = {
  entrypoint: [],
  cmd: [],
  env: [],
  workingDir: '',
  user: '',
  stopSignal: '',
}

interface ConfigObject {
  readonly Entrypoint?: readonly string[]
  readonly Cmd?: readonly string[]
  readonly Env?: readonly string[]
  readonly WorkingDir?: string
  readonly User?: string
  readonly StopSignal?: string
  readonly Healthcheck?: HealthcheckObject
  /** By port; the values say nothing. */
  readonly ExposedPorts?: Readonly<Record<string, unknown>>
}

/** Times are in nanoseconds; 0 says nothing. */
interface HealthcheckObject {
  readonly Test?: readonly string[]
  readonly Interval?: number
  readonly Timeout?: number
  readonly StartPeriod?: number
  readonly StartInterval?: number
  readonly Retries?: number
}

const readConfigObject = record<ConfigObject>({
  Entrypoint: list(text),
  Cmd: list(text),
  Env: list(text),
  WorkingDir: text,
  User: text,
  StopSignal: text,
  Healthcheck: record<HealthcheckObject>({
    Test: list(text),
    Interval: number,
    Timeout: number,
    StartPeriod: number,
    StartInterval: number,
    Retries: number,
  }),
  ExposedPorts: dictionary(anything),
})

/** Reads the `config` object of an image configuration. Lines of the environment without a name are left out, as docker does. */
export const readImageConfig: Reader<ImageConfig> = (value, at) => {
  const config = readConfigObject(value, at)
  const { Entrypoint = [], Cmd = [], Env = [], WorkingDir = '', User = '', StopSignal = '' } = config
  const env = Env.filter((entry) => /^[^=]+=/.test(entry))
  return Object.freeze({
    entrypoint: Entrypoint,
    cmd: Cmd,
    env,
    workingDir: WorkingDir && posix.resolve('/', WorkingDir),
    user: User,
    stopSignal: StopSignal,
    ...(config.Healthcheck === undefined ? {} : { healthcheck: healthcheckOf(config.Healthcheck) }),
    ...(config.ExposedPorts === undefined ? {} : { exposedPorts: Object.keys(config.ExposedPorts) }),
  })
}

function healthcheckOf({ Test, Retries = 0, ...times }: HealthcheckObject): ImageHealthcheck {
  const milliseconds = (name: string, nanoseconds = 0) =>
    nanoseconds > 0 ? { [name]: nanoseconds / 1e6 } : {}
  return {
    ...(Test === undefined ? {} : { test: Test }),
    ...milliseconds('intervalMs', times.Interval),
    ...milliseconds('timeoutMs', times.Timeout),
    ...milliseconds('startPeriodMs', times.StartPeriod),
    ...milliseconds('startIntervalMs', times.StartInterval),
    ...(Retries > 0 ? { retries: Math.floor(Retries) } : {}),
  }
}
