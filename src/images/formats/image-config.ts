/** What an image says about how its container is run (OCI image specification, config.md). */
import { list, record } from '../../json/compounds.ts'
import { type Reader, text } from '../../json/values.ts'

export interface ImageConfig {
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
  /** `NAME=value`. */
  readonly env: readonly string[]
  /** Empty: `/`. */
  readonly workingDir: string
  /** `user[:group]`, names or numbers; empty: root. */
  readonly user: string
  /** Name or number of the signal that asks the command to end; empty: SIGTERM. */
  readonly stopSignal: string
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
}

const readConfigObject = record<ConfigObject>({
  Entrypoint: list(text),
  Cmd: list(text),
  Env: list(text),
  WorkingDir: text,
  User: text,
  StopSignal: text,
})

/** Reads the `config` object of an image configuration. Lines of the environment without a name are left out, as docker does. */
export const readImageConfig: Reader<ImageConfig> = (value, at) => {
  const config = readConfigObject(value, at)
  const { Entrypoint = [], Cmd = [], Env = [], WorkingDir = '', User = '', StopSignal = '' } = config
  const env = Env.filter((entry) => /^[^=]+=/.test(entry))
  return Object.freeze({
    ...{ entrypoint: Entrypoint, cmd: Cmd, env, workingDir: WorkingDir, user: User },
    stopSignal: StopSignal,
  })
}
