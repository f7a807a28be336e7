/**
 * A coded error on its way from one of our processes to another: a code and fields. The receiver makes the same error with its own
 * catalogue. The error travels as JSON in a file, or as google.rpc.ErrorInfo in the details of a ttrpc status
 * (https://google.aip.dev/193).
 */
import { type ErrorCode, type ErrorField, type FieldsOf, KataError } from '../errors.ts'
import { findEntry } from './catalogue.ts'

export interface ToldError {
  readonly code: string
  readonly fields: Readonly<Record<string, ErrorField>>
}

/** `reason`, `domain` and `metadata` of an ErrorInfo. */
export interface ErrorInfo {
  readonly reason: string
  readonly domain: string
  readonly metadata: Readonly<Record<string, string>>
}

/** The owner of our codes. */
export const errorDomain = 'io.containerd.kata-ts.v2'

/**
 * Metadata of a ttrpc request whose sender understands our details. Other senders get none: containerd 2 adds details that it does not
 * know to the text of an error.
 */
export const asksForErrorInfo = { 'kata-ts-error-info': '1' } as const

/** Longest field, characters. The sender cuts longer fields, and the receiver refuses them. */
const maxFieldLength = 4096

export function toldOf({ code, fields }: KataError): ToldError {
  const told = namesOf(code).flatMap((name) => {
    const value = fields[name]
    if (value === undefined) return []
    return [[name, typeof value === 'string' ? value.slice(0, maxFieldLength) : value] as const]
  })
  return { code, fields: Object.fromEntries(told) }
}

/**
 * The error that was sent. Undefined when its code is not in this catalogue or a field is missing: another version of kata-ts may have
 * sent it.
 */
export function errorFromTold(told: unknown, cause?: unknown): KataError | undefined {
  if (!isObject(told) || !isObject(told.fields) || !isCode(told.code)) return undefined
  const { code, fields } = told
  const entries = namesOf(code).map((name) => [name, Object.hasOwn(fields, name) ? fields[name] : undefined])
  if (!entries.every(([, value]) => isField(value))) return undefined
  // Checked above. The compiler knows the fields of a code only where it knows the code.
  const whole = Object.fromEntries(entries) as FieldsOf<ErrorCode>
  return new KataError(code, whole, cause === undefined ? {} : { cause })
}

export function errorInfoOf(error: KataError): ErrorInfo {
  const { code, fields } = toldOf(error)
  const metadata = Object.entries(fields).map(([name, value]) => [name, String(value)])
  return { reason: code, domain: errorDomain, metadata: Object.fromEntries(metadata) }
}

/** Like {@link errorFromTold}; all fields are strings. */
export function errorFromInfo(
  { reason, domain, metadata = {} }: { readonly [Name in keyof ErrorInfo]?: ErrorInfo[Name] | undefined },
  cause?: unknown,
): KataError | undefined {
  return domain === errorDomain ? errorFromTold({ code: reason, fields: metadata }, cause) : undefined
}

/** The field names in the texts of a code. */
function namesOf(code: ErrorCode): readonly string[] {
  const { sentence, remedy } = findEntry(code)!
  return [...new Set([...`${sentence} ${remedy}`.matchAll(/\{"?(\w+)"?\}/g)].map(([, name]) => name!))]
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null

const isCode = (value: unknown): value is ErrorCode =>
  typeof value === 'string' && findEntry(value) !== undefined

const isField = (value: unknown): value is ErrorField =>
  typeof value === 'string' ? value.length <= maxFieldLength : /^(number|boolean)$/.test(typeof value)
