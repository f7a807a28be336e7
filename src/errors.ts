/**
 * The one catalogue of coded errors, put together from those of the parts in errors/. A code is stable for ever; its sentence says what went wrong and names the
 * thing, its remedy says what a person does next. `docs/errors.md` is generated from it and a test keeps
 * both in step.
 *
 * Placeholders in braces are filled from the fields given to {@link KataError}; `{"name"}` quotes what somebody typed, which
 * may be empty.
 */
import { agentErrors } from './errors/agent.ts'
import { cgroupsErrors } from './errors/cgroups.ts'
import { cliErrors } from './errors/cli.ts'
import { configErrors } from './errors/config.ts'
import { devicesErrors } from './errors/devices.ts'
import type { CatalogueEntry, StatusName } from './errors/entry.ts'
import { generalErrors } from './errors/general.ts'
import { guestImageErrors } from './errors/guest-image.ts'
import { networkErrors } from './errors/network.ts'
import { rootlessErrors } from './errors/rootless.ts'
import { sandboxErrors } from './errors/sandbox.ts'
import { sharingErrors } from './errors/sharing.ts'
import { vmmErrors } from './errors/vmm.ts'

export const catalogue = {
  ...generalErrors,
  ...cgroupsErrors,
  ...configErrors,
  ...rootlessErrors,
  ...vmmErrors,
  ...guestImageErrors,
  ...sharingErrors,
  ...devicesErrors,
  ...networkErrors,
  ...agentErrors,
  ...sandboxErrors,
  ...cliErrors,
} satisfies Record<string, CatalogueEntry>

export type ErrorCode = keyof typeof catalogue

export type ErrorFields = Readonly<Record<string, string | number | boolean>>

/**
 * An error of the catalogue. `message` is `[CODE] sentence. remedy`, because tools typically show only that. Where a field
 * holds the text of the cause, only its sentence is told: a person gets one code and one remedy, the log has the causes.
 */
export class KataError extends Error {
  readonly code: ErrorCode
  readonly fields: ErrorFields
  readonly remedy: string
  readonly status: StatusName
  /** The sentence with its fields filled in, without code and remedy. */
  readonly rawMessage: string

  constructor(code: ErrorCode, fields: ErrorFields = {}, options: { cause?: unknown } = {}) {
    const { sentence, remedy, status } = catalogue[code]
    const told = withoutNested(fields, options.cause)
    // A text of somebody else's often ends with a full stop of its own.
    const rawMessage = fill(sentence, told).replace(/(?<!\.)\.$/, '')
    const filledRemedy = fill(remedy, told)
    super(`[${code}] ${rawMessage}. ${filledRemedy}`, options)
    this.name = 'KataError'
    this.code = code
    this.fields = fields
    this.status = status
    this.rawMessage = rawMessage
    this.remedy = filledRemedy
  }
}

function withoutNested(fields: ErrorFields, cause: unknown): ErrorFields {
  if (!(cause instanceof KataError)) return fields
  const { message, rawMessage } = cause
  const bare = (value: ErrorFields[string]) =>
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

/** What led to an error, nearest first: for a log. */
export function causesOf(error: unknown): string[] {
  const cause = error instanceof Error ? error.cause : undefined
  return cause === undefined ? [] : [describeError(cause), ...causesOf(cause)]
}
