/**
 * The one catalogue of coded errors. A code is stable for ever; its sentence says what went wrong and names the
 * thing, its remedy says what a person does next. `docs/errors.md` is generated from this table and a test keeps
 * both in step.
 *
 * Placeholders in braces are filled from the fields given to {@link KataError}.
 */

/** ttrpc (= gRPC) status a coded error becomes on the wire. */
export type StatusName =
  | 'invalid_argument'
  | 'not_found'
  | 'already_exists'
  | 'permission_denied'
  | 'resource_exhausted'
  | 'failed_precondition'
  | 'unimplemented'
  | 'internal'
  | 'unavailable'
  | 'deadline_exceeded'

export interface CatalogueEntry {
  /** What went wrong, with `{field}` placeholders. */
  readonly sentence: string
  /** What a person does about it, with `{field}` placeholders. */
  readonly remedy: string
  readonly status: StatusName
}

const entry = (status: StatusName, sentence: string, remedy: string): CatalogueEntry => ({
  sentence,
  remedy,
  status,
})

export const catalogue = {
  // --- general -----------------------------------------------------------------------------------------------
  NOT_ROOT: entry(
    'permission_denied',
    '{what} must be run as root',
    'Run it as root or with sudo: kata-ts needs root to create accounts, namespaces and mounts, and gives it up for the VMM.',
  ),
  SYSCALL_FAILED: entry('internal', '{call} failed: {errno}', 'See the named call and errno; {hint}'),
  SOCKET_PATH_TOO_LONG: entry(
    'invalid_argument',
    'socket path {path} has {length} bytes; the limit is {limit}',
    'Use a shorter name, namespace or run directory: the kernel allows 107 bytes and kata-ts keeps 100.',
  ),
  // --- config ------------------------------------------------------------------------------------------------

  // --- rootless: lease, account, private directory, jail, posture ----------------------------------------------

  // --- vmm, accelerator ----------------------------------------------------------------------------------------

  // --- guest image ---------------------------------------------------------------------------------------------

  // --- sharing, root file systems ------------------------------------------------------------------------------

  // --- agent ---------------------------------------------------------------------------------------------------

  // --- sandbox, ledger, shim -----------------------------------------------------------------------------------

  RELEASE_FAILED: entry(
    'internal',
    'could not release everything: {held} still held ({reason})',
    'Run `kata-ts gc` once the cause is gone; what is still held stays written down.',
  ),
  LEDGER_KIND_UNKNOWN: entry(
    'internal',
    'ledger {path} names an unknown holding {kind}',
    'It was written by another version of kata-ts: run `kata-ts gc` of that version.',
  ),

  // --- command line --------------------------------------------------------------------------------------------
} satisfies Record<string, CatalogueEntry>

export type ErrorCode = keyof typeof catalogue

export type ErrorFields = Readonly<Record<string, string | number | boolean>>

/** An error of the catalogue. `message` is `[CODE] sentence. remedy`, because tools typically show only that. */
export class KataError extends Error {
  readonly code: ErrorCode
  readonly fields: ErrorFields
  readonly remedy: string
  readonly status: StatusName
  /** The sentence with its fields filled in, without code and remedy. */
  readonly rawMessage: string

  constructor(code: ErrorCode, fields: ErrorFields = {}, options: { cause?: unknown } = {}) {
    const { sentence, remedy, status } = catalogue[code]
    const rawMessage = fill(sentence, fields)
    const filledRemedy = fill(remedy, fields)
    super(`[${code}] ${rawMessage}. ${filledRemedy}`, options)
    this.name = 'KataError'
    this.code = code
    this.fields = fields
    this.status = status
    this.rawMessage = rawMessage
    this.remedy = filledRemedy
  }
}

function fill(template: string, fields: ErrorFields): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) =>
    name in fields ? String(fields[name]) : whole,
  )
}

/** The text a person sees for any thrown value. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
