/** One entry of the catalogue of errors (../errors.ts). */

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
  /** What went wrong, with `{field}` and `{"field"}` placeholders. */
  readonly sentence: string
  /** What a person does about it, with `{field}` placeholders. */
  readonly remedy: string
  readonly status: StatusName
}

export const entry = (status: StatusName, sentence: string, remedy: string): CatalogueEntry => ({
  sentence,
  remedy,
  status,
})
