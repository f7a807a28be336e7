/**
 * Coded errors. All stand in one catalogue, errors/catalogue.ts. A code is stable for ever; its sentence says what went wrong and
 * names the thing, its remedy says what a person does next. `docs/errors.md` is generated from it and a test keeps both in step.
 *
 * Placeholders in braces are filled from the fields given to {@link KataError}; `{"name"}` quotes what somebody typed, which
 * may be empty. The compiler reads them too: a field that is missing, misspelt or too many is a type error.
 */
import { catalogue } from './errors/catalogue.ts'
import type { CatalogueEntry, FieldNames, StatusName } from './errors/entry.ts'

type Catalogue = typeof catalogue

export type ErrorCode = keyof Catalogue

export type ErrorField = string | number | boolean

export type ErrorFields = Readonly<Record<string, ErrorField>>

type NamesByCode = {
  readonly [Code in ErrorCode]: FieldNames<Catalogue[Code]['sentence'] | Catalogue[Code]['remedy']>
}

/**
 * The fields that a code takes. The names of all other fields of the catalogue are forbidden, because TypeScript does not look for
 * surplus fields in what a spread brings. A code that is one of several takes the fields of all of them.
 */
export type FieldsOf<Code extends ErrorCode> = {
  readonly [Name in NamesByCode[Code]]: ErrorField
} & { readonly [Name in Exclude<NamesByCode[ErrorCode], NamesByCode[Code]>]?: never }

type Given<Code extends ErrorCode> = [NamesByCode[Code]] extends [never]
  ? [fields?: FieldsOf<Code>, options?: KataErrorOptions]
  : [fields: FieldsOf<Code>, options?: KataErrorOptions]

interface KataErrorOptions {
  readonly cause?: unknown
}

/** What {@link KataError} is at run time. */
class CatalogueError extends Error {
  readonly code: ErrorCode
  /** As they are told: a field that held the text of the cause has its sentence only. */
  readonly fields: ErrorFields
  readonly remedy: string
  readonly status: StatusName
  /** The sentence with its fields filled in, without code and remedy. */
  readonly rawMessage: string

  constructor(code: ErrorCode, fields: ErrorFields = {}, options: KataErrorOptions = {}) {
    const { sentence, remedy, status }: CatalogueEntry = catalogue[code]
    const told = withoutNested(fields, options.cause)
    // A text of somebody else's often ends with a full stop of its own.
    const rawMessage = fill(sentence, told).replace(/(?<!\.)\.$/, '')
    const filledRemedy = fill(remedy, told)
    super(`[${code}] ${rawMessage}. ${filledRemedy}`, options)
    this.name = 'KataError'
    this.code = code
    this.fields = told
    this.status = status
    this.rawMessage = rawMessage
    this.remedy = filledRemedy
  }
}

/**
 * An error of the catalogue. `message` is `[CODE] sentence. remedy`, because tools typically show only that. Where a field
 * holds the text of the cause, only its sentence is told: a person gets one code and one remedy, the log has the causes.
 */
export interface KataError<Code extends ErrorCode = ErrorCode> extends CatalogueError {
  readonly code: Code
}

/** `prototype` tells the compiler what `instanceof` finds; of a generic class it would be `KataError<any>`. */
export const KataError = CatalogueError as {
  new <Code extends ErrorCode>(code: Code, ...given: Given<Code>): KataError<Code>
  readonly prototype: KataError
}

function withoutNested(fields: ErrorFields, cause: unknown): ErrorFields {
  if (!(cause instanceof KataError)) return fields
  const { message, rawMessage } = cause
  const bare = (value: ErrorField) =>
    typeof value === 'string'
      ? value.replaceAll(`KataError: ${message}`, rawMessage).replaceAll(message, rawMessage)
      : value
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, bare(value)]))
}

function fill(template: string, fields: ErrorFields): string {
  return template.replace(/\{("?)(\w+)\1\}/g, (whole, quote: string, name: string) => {
    if (!(name in fields)) return whole
    return quote === '' ? String(fields[name]) : JSON.stringify(String(fields[name]))
  })
}

/** The text a person sees for any thrown value. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
