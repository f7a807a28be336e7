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

export interface CatalogueEntry<Sentence extends string = string, Remedy extends string = string> {
  /** What went wrong, with `{field}` and `{"field"}` placeholders. */
  readonly sentence: Sentence
  /** What a person does about it, with `{field}` placeholders. */
  readonly remedy: Remedy
  readonly status: StatusName
}

/** Keeps the texts as literal types: the fields of a code are read from them, see {@link FieldNames}. */
export const entry = <const Sentence extends string, const Remedy extends string>(
  status: StatusName,
  sentence: Sentence,
  remedy: Remedy,
): CatalogueEntry<Sentence, Remedy> => ({ sentence, remedy, status })

/** The names between the braces of a template: `'a' | 'b'` of `'{a} is not {"b"}'`. */
export type FieldNames<Template extends string> = Template extends `${string}{${infer Name}}${infer Rest}`
  ? WithoutQuotes<Name> | FieldNames<Rest>
  : never

type WithoutQuotes<Name extends string> = Name extends `"${infer Bare}"` ? Bare : Name
