/**
 * What the configuration has to know of a VMM, as data. Each driver has one, in `configuration/` of its folder, and drivers.ts
 * lists them.
 */
import type { AgentConfig, Config, FactoryConfig, HypervisorConfig, RuntimeConfig } from './config.ts'
import type { DriverValues, Key } from './key-spec.ts'

export interface DriverConfiguration {
  /** The name of its table, `[hypervisor.<driver>]`. */
  readonly driver: string
  /** Other names of the table that Kata's two runtimes use. */
  readonly aliases: readonly string[]
  /** How people call it. */
  readonly name: string
  /** Its folder in src/vmm, by which the check of its program is called too. */
  readonly folder: string
  /** What packaging/ puts behind `configuration` and `kata-ts` in the names of its file and RuntimeClass. */
  readonly suffix: string
  readonly accelerators: readonly ('kvm' | 'tcg')[]
  readonly program: ProgramFacts
  /** Programs that run it, besides the one that `path` names. */
  readonly starters: readonly Starter[]
  /** The keys that only its own code acts on. */
  readonly keys: readonly Key[]
  /** The fields of optional keys (`Key.optional`) that have a meaning for it. */
  readonly has: readonly Field[]
  /** Its own values of keys that others have, too, by field. */
  readonly values: { readonly [Name in Field]?: DriverValues<Fields[Name]> }
  /** Keys of others that ask for what it cannot do at all, by field, with the reason: a part of a sentence about it. */
  readonly impossible: { readonly [Name in Field]?: string }
  /** What it cannot do because of the values of several keys, or of one value of a key. */
  readonly rules: readonly DriverRule[]
}

type Fields = HypervisorConfig & RuntimeConfig & AgentConfig & FactoryConfig
export type Field = keyof Fields & string

export interface DriverRule {
  /** The key whose place an error names. */
  readonly key: string
  readonly isBroken: (config: Pick<Config, 'hypervisor' | 'runtime'>) => boolean
  /** What was asked for. */
  readonly asked: string
  /** Why it cannot, a part of a sentence about it. */
  readonly reason: string
}

export interface ProgramVersion {
  readonly major: number
  readonly minor: number
  readonly micro: number
}

export interface ProgramFacts {
  /** What a person installs. */
  readonly install: string
  /** How, as a remedy. */
  readonly remedy: string
  /** The first version, by major and minor number, with all that this configuration asks for. */
  readonly minimum: (hypervisor: HypervisorConfig) => ProgramVersion
}

export interface Starter {
  readonly key: string
  readonly path: (hypervisor: HypervisorConfig) => string
  /** What a person installs. */
  readonly install: string
  /** The annotation for its checksum, by what follows `io.katacontainers.config.hypervisor.`. */
  readonly hashAnnotation: string
}
