/** The description of a key of Kata's that kata-ts does not implement, and how its values are treated. */
import { isEqual } from '../../json/is-equal.ts'
import type { TableName } from '../key-spec.ts'
import { boolean } from '../value-types.ts'

/** kata-ts implements no key of the tables `mem_agent` and `image`; the latter is that of older versions. */
export type KataTable = TableName | 'mem_agent' | 'image'

/**
 * `silent`: nothing is lost. `warned`: a function is not there, which a warning says. `refused`: a protection or a limit
 * was asked for, and nothing starts without it.
 */
export type Fate = 'silent' | 'warned' | 'refused'

export interface KataKey {
  readonly table: KataTable
  readonly key: string
  /** Values that mean off, are Kata's default or say what is so anyway; `any`: it asks for nothing by itself. */
  readonly silent: readonly unknown[] | 'any'
  /** Other values that are a warning although `otherwise` is `refused`. */
  readonly warned: readonly unknown[]
  /** An item of a list that is refused although `otherwise` is `warned`. */
  readonly refusedItem: string | undefined
  /** How every other value is treated, including values of a wrong type. */
  readonly otherwise: 'warned' | 'refused'
  /** Why, for the message: what kata-ts does not give, or what to write instead. */
  readonly about: string
  /** Name after the prefix of the table's annotations. */
  readonly annotation: string
}

type Extra = Partial<Pick<KataKey, 'warned' | 'refusedItem' | 'annotation'>>

/** Binds a table and returns the functions that describe its keys, by what becomes of a value that asks for something. */
export function kataKeysOf(table: KataTable) {
  const describe =
    (otherwise: KataKey['otherwise']) =>
    (key: string, silent: KataKey['silent'], about: string, extra: Extra = {}): KataKey => ({
      table,
      key,
      silent,
      about,
      otherwise,
      warned: [],
      refusedItem: undefined,
      annotation: key,
      ...extra,
    })
  return {
    warned: describe('warned'),
    refused: describe('refused'),
    /** For keys that ask for nothing by themselves. */
    silent: (key: string, about: string): KataKey => describe('warned')(key, 'any', about),
  }
}

/** How a value in a file is treated. */
export function fateOf({ silent, warned, refusedItem, otherwise }: KataKey, raw: unknown): Fate {
  const value = withNumbers(raw)
  const among = (values: readonly unknown[]) => values.some((known) => isEqual(known, value))
  if (silent === 'any' || among(silent)) return 'silent'
  if (among(warned)) return 'warned'
  // One name in place of a list is a list for many a parser.
  if (refusedItem !== undefined && [value].flat().includes(refusedItem)) return 'refused'
  return otherwise
}

/** How a value in an annotation is treated. It is a text, and is read by the type that the key has in a file. */
export function fateOfText(key: KataKey, text: string): Fate {
  return fateOf(key, key.silent === 'any' ? text : asTyped(key.silent[0], text))
}

function asTyped(example: unknown, text: string): unknown {
  if (typeof example === 'boolean') return boolean.fromText(text)
  if (typeof example === 'number') return /^\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : text
  if (!Array.isArray(example)) return text
  // Names that Kata's Go runtime separates by spaces and runtime-rs by commas, or a JSON list.
  return text.split(/[\s,[\]"]+/).filter((item) => item !== '')
}

const withNumbers = (value: unknown) => (typeof value === 'bigint' ? Number(value) : value)
