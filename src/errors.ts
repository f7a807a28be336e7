/**
 * Coded errors, all in one catalogue: errors/catalogue.ts. A code is stable for ever. Its sentence names the failed thing and the failure,
 * and its remedy is the next step for a person. `docs/errors.md` is generated from the catalogue, and a test keeps both in step.
 *
 * The fields given to {@link KataError} fill the placeholders in braces. `{"name"}` quotes typed text, which may be empty. The
 * compiler reads the placeholders too: a missing, misspelt or surplus field is a type error. The texts are fit for a terminal, whatever
 * an image or a guest has put into a field; the fields stay as they were given.
 */
import { type catalogue, findEntry } from './errors/catalogue.ts'
import type { FieldNames, StatusName } from './errors/entry.ts'
import { plainJson, plainLines } from './plain-text.ts'

type Catalogue = ReturnType<typeof catalogue>

export type ErrorCode = keyof Catalogue

export type ErrorField = string | number | boolean

export type ErrorFields = Readonly<Record<string, ErrorField>>

type NamesByCode = {
  readonly [Code in ErrorCode]: FieldNames<Catalogue[Code]['sentence'] | Catalogue[Code]['remedy']>
}

/**
 * The fields that a code takes. The names of all other fields of the catalogue are forbidden, because TypeScript does not find surplus
 * fields in a spread. A union of codes takes the fields of all of them.
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

/** The class of {@link KataError} at run time. */
class CatalogueError extends Error {
  readonly code: ErrorCode
  /** The fields as shown: a field with the text of the cause keeps only its sentence. */
  readonly fields: ErrorFields
  readonly remedy: string
  readonly status: StatusName
  /** The sentence with its fields filled in, without code and remedy. */
  readonly rawMessage: string

  constructor(code: ErrorCode, fields: ErrorFields = {}, options: KataErrorOptions = {}) {
    const { sentence, remedy, status } = findEntry(code)!
    const told = withoutNested(fields, options.cause)
    // A foreign text often ends with its own full stop.
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
 * An error of the catalogue. `message` is `[CODE] sentence. remedy`, because tools typically show only the message. A field that holds the
 * text of the cause keeps only its sentence: a person gets one code and one remedy, and the log has the causes.
 */
export interface KataError<Code extends ErrorCode = ErrorCode> extends CatalogueError {
  readonly code: Code
}

/** `prototype` gives the compiler the type for `instanceof`, which would be `KataError<any>` for a generic class. */
export const KataError = CatalogueError as {
  new <Code extends ErrorCode>(code: Code, ...given: Given<Code>): KataError<Code>
  readonly prototype: KataError
}

function withoutNested(fields: ErrorFields, cause: unknown): ErrorFields {
  // A call that was not answered in time fails with the text of its own cause.
  const inner = cause instanceof Error && !(cause instanceof KataError) ? cause.cause : cause
  if (!(inner instanceof KataError)) return fields
  const { message, rawMessage } = inner
  const bare = (value: ErrorField) =>
    typeof value === 'string'
      ? value.replaceAll(`KataError: ${message}`, () => rawMessage).replaceAll(message, () => rawMessage)
      : value
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, bare(value)]))
}

function fill(template: string, fields: ErrorFields): string {
  return template.replace(/\{("?)(\w+)\1\}/g, (whole, quote: string, name: string) => {
    if (!(name in fields)) return whole
    const text = String(fields[name])
    return quote === '' ? plainLines(text) : plainJson(text)
  })
}

/** The text of any thrown value, for people. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
