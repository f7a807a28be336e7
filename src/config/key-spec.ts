/** The description of a configuration key, and the functions that make one with the types of Config. */
import type {
  AgentConfig,
  FactoryConfig,
  HypervisorConfig,
  HypervisorDriver,
  RuntimeConfig,
} from './config.ts'
import type { ValueType } from './value-types.ts'
import type { WallName } from './wall-names.ts'

/** The tables of configuration.toml (`hypervisor` has one for each driver) and the sections of Config they fill. */
export interface Sections {
  readonly hypervisor: HypervisorConfig
  readonly 'agent.kata': AgentConfig
  readonly runtime: RuntimeConfig
  readonly factory: FactoryConfig
}
export type TableName = keyof Sections

/** A key as keys/ or the folder of a driver describes it. */
export interface Key {
  readonly table: TableName
  readonly key: string
  /** Other spellings that Kata's two runtimes use. */
  readonly aliases: readonly string[]
  /** Name in the section of Config. */
  readonly field: string
  readonly type: ValueType<unknown>
  /** Value when a file of Kata's does not have the key: what Kata itself takes then. */
  readonly absent: unknown
  /** Value in the file that we ship, and in one of ours that does not have the key. */
  readonly shipped: unknown
  /** Value when there is no file at all. */
  readonly builtIn: unknown
  /** One or two sentences for people, the unit included. */
  readonly description: string
  /** kata-ts has the key and Kata Containers does not. */
  readonly own: boolean
  /** It decides whether something confines the VMM or a pod: a name one edit away from it is an error, not a warning. */
  readonly wall: boolean
  /** What its value alone leaves open. */
  readonly opens?: Opens<unknown> | undefined
  /** Not every VMM has it: those that do name it (`DriverConfiguration.has`). */
  readonly optional: boolean
  /** What a VMM without this optional key cannot do. Setting it there is then an error and not a warning. */
  readonly elsewhere?: string | undefined
  /** Name after the prefix of its table's annotations, when a pod may ask for it. */
  readonly annotation?: string | undefined
  /** The annotation's value in the example pod; default the value that we ship. */
  readonly example?: string | undefined
  /** The value that only takes rights away: a pod may ask for it without permission. */
  readonly restricting?: unknown
  /** Field of HypervisorConfig with the patterns that an annotation's value must match, and its key. */
  readonly allowList?: { readonly field: AllowListField; readonly key: string } | undefined
  /** For a key that one VMM has: the key behind which the pages show it. */
  readonly after?: string | undefined
}

export interface Opens<T> {
  readonly wall: WallName
  /** For a person: what this value leaves open, and that it does; undefined: nothing. */
  what(value: T): string | undefined
}

/** A key with what the drivers say of it. */
export interface KeySpec extends Key {
  /** The VMMs for which the key has a meaning. */
  readonly drivers: readonly HypervisorDriver[]
  /** Where a VMM takes other values. */
  readonly perDriver: Readonly<Partial<Record<HypervisorDriver, DriverValues<unknown>>>>
  /** Why a VMM cannot do at all what the key asks for: a value other than `absent` is then an error, not a warning. */
  readonly impossible: Readonly<Partial<Record<HypervisorDriver, string>>>
}

/** Fields of HypervisorConfig that hold lists of texts. */
export type AllowListField = {
  [Field in keyof HypervisorConfig]: HypervisorConfig[Field] extends readonly string[] ? Field : never
}[keyof HypervisorConfig]

/** Values of one VMM that differ from those in keys/. */
export interface DriverValues<T> {
  readonly type?: ValueType<T>
  readonly absent?: T
  readonly shipped?: T
  readonly builtIn?: T
}

interface Extra<T>
  extends Partial<
    Pick<Key, 'aliases' | 'annotation' | 'example' | 'allowList' | 'restricting' | 'elsewhere'>
  > {
  readonly shipped?: T
  readonly builtIn?: T
  readonly own?: true
  readonly wall?: true
  readonly opens?: Opens<T>
  readonly optional?: true
}

/** Binds a table and returns the function that describes one of its keys; field, type and values must agree. */
export function keysOf<Table extends TableName>(table: Table) {
  return <Field extends keyof Sections[Table] & string>(
    key: string,
    field: Field,
    type: ValueType<Sections[Table][Field]>,
    absent: Sections[Table][Field],
    description: string,
    { shipped = absent, builtIn = shipped, ...extra }: Extra<Sections[Table][Field]> = {},
  ): Key => ({
    table,
    key,
    field,
    type,
    absent,
    shipped,
    builtIn,
    description,
    own: false,
    wall: false,
    optional: false,
    aliases: [],
    ...extra,
  })
}

/** Keys of one VMM that the pages show one after the other behind the key `first`. */
export const keysAfter = (first: string, ...keys: readonly Key[]): readonly Key[] =>
  keys.map((key, index) => ({ ...key, after: keys[index - 1]?.key ?? first }))

/** The key with the values of this VMM; without a meaning for it, the key has one value only. */
export function keyFor(spec: KeySpec, driver: HypervisorDriver): KeySpec {
  const values = spec.perDriver[driver]
  const means = spec.drivers.includes(driver)
  const isOne = spec.absent === spec.shipped && spec.builtIn === spec.shipped
  if (values === undefined && (means || isOne)) return spec
  const { type = spec.type, absent = spec.absent } = values ?? {}
  const { shipped = values?.absent ?? spec.shipped, builtIn = shipped } = values ?? {}
  return { ...spec, type, absent, ...(means ? { shipped, builtIn } : { shipped: absent, builtIn: absent }) }
}
