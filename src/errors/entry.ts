/** One entry of the catalogue of errors (../errors.ts). */

/** The ttrpc (= gRPC) status of a coded error on the wire. */
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
  /** The failure, with `{field}` and `{"field"}` placeholders. */
  readonly sentence: Sentence
  /** The next step for a person, with `{field}` placeholders. */
  readonly remedy: Remedy
  readonly status: StatusName
}

/** Keeps the texts as literal types, from which {@link FieldNames} reads the fields of a code. */
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
