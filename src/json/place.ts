/** Where in a JSON document a reader stands, and what it tells when the value there is another than it must be. */
/** A value of a document that is not what it must be. The message is `mounts[3].destination: expected a string, is a number`. */
export class JsonMismatch extends Error {
  /** Empty: the document itself. */
  readonly path: string
  readonly expected: string
  readonly found: string

  constructor(path: string, expected: string, found: string) {
    super(`${path === '' ? '' : `${path}: `}expected ${expected}, is ${found}`)
    this.name = 'JsonMismatch'
    this.path = path
    this.expected = expected
    this.found = found
  }
}

/** Longest part of a path that is told: keys are whatever the document's author wrote. */
const maxKey = 60
/** What of a key is not told as it is: it may steer a terminal, or look like another. */
const unfit = /[^\x20-\x7e]/g
/** Most names of fields that are told as left out; that there are more is told, too. */
const maxDropped = 16

/** One place of a document. */
export class Place {
  readonly path: string
  readonly #dropped: string[]

  private constructor(path: string, dropped: string[]) {
    this.path = path
    this.#dropped = dropped
  }

  /** The document itself; `dropped` takes the paths of fields that no reader knows. */
  static root(dropped: string[] = [], path = ''): Place {
    return new Place(path, dropped)
  }

  field(name: string): Place {
    return new Place(this.#pathOf(name), this.#dropped)
  }

  item(index: number): Place {
    return new Place(`${this.path}[${index}]`, this.#dropped)
  }

  /** Notes that a field is not carried on: once for all items of a list, which are as many as its author likes. */
  drop(name: string): void {
    const path = this.#pathOf(name).replace(/\[\d+\]/g, '[]')
    if (this.#dropped.length > maxDropped || this.#dropped.includes(path)) return
    this.#dropped.push(this.#dropped.length < maxDropped ? path : 'and others')
  }

  /** `found` is what stands there, in words; the kind of `value` when it is left out. */
  wrong(value: unknown, expected: string, found = kindOf(value)): JsonMismatch {
    return new JsonMismatch(this.path, expected, found)
  }

  #pathOf(name: string): string {
    const told = name.slice(0, maxKey).replace(unfit, '?')
    return this.path === '' ? told : `${this.path}.${told}`
  }
}

/** The kind of a JSON value, with its article. */
function kindOf(value: unknown): string {
  if (value === undefined) return 'missing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
