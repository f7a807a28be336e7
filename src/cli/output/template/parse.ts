/** Reads the subset of Go's text/template that people use with `docker ps` and `docker inspect`. */
import { KataError } from '../../../errors.ts'
import { readText } from '../../../json/document.ts'
import { text } from '../../../json/values.ts'

/** A value of a pipeline. */
export type Operand =
  /** `.A.B`, `$.A`, `$name.A`; `variable` is absent for the dot. */
  | { readonly kind: 'path'; readonly variable?: string; readonly fields: readonly string[] }
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  | { readonly kind: 'pipeline'; readonly pipeline: Pipeline; readonly fields: readonly string[] }
  | { readonly kind: 'function'; readonly name: string }

/** The first is a function, or a value that may take arguments. */
export type Command = readonly [Operand, ...Operand[]]
/** The result of each is the last argument of the next. */
export type Pipeline = readonly Command[]

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'value'; readonly pipeline: Pipeline }
  | {
      readonly kind: 'block'
      readonly word: 'if' | 'range' | 'with'
      /** The variables of a range: its index and value, or its value alone. */
      readonly variables: readonly string[]
      readonly pipeline: Pipeline
      readonly body: readonly Node[]
      readonly otherwise: readonly Node[]
    }

const functionNames = [
  ...['json', 'join', 'index', 'len', 'upper', 'lower', 'title', 'split', 'print', 'println'],
  ...['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'and', 'or', 'not'],
] as const
export type FunctionName = (typeof functionNames)[number]

export function invalidTemplate(template: string, reason: string): KataError {
  return new KataError('TEMPLATE_INVALID', { template, reason })
}

/** Blocks within blocks: more than anybody writes, and less than the stack holds. */
const mostDepth = 50

/** Characters of a template. */
const longest = 1 << 14

/** @throws KataError TEMPLATE_INVALID. */
export function parseTemplate(template: string): readonly Node[] {
  if (template.length > longest)
    throw invalidTemplate(`${template.slice(0, 80)}...`, `it has more than ${longest} characters`)
  const reader = new TemplateReader(template)
  const nodes = reader.nodes(0)
  if (reader.rest !== undefined)
    throw invalidTemplate(template, `there is no block that ${reader.rest} belongs to`)
  return nodes
}

class TemplateReader {
  /** Texts at even places, what stands between braces at odd ones. */
  readonly #pieces: readonly string[]
  readonly #template: string
  #next = 0
  /** The word that ended a list of nodes: `end`, or `else` with what follows. */
  rest: string | undefined

  constructor(template: string) {
    this.#template = template
    this.#pieces = pieces(template)
  }

  nodes(depth: number): Node[] {
    if (depth > mostDepth) throw this.#refuse('it has too many blocks within blocks')
    const nodes: Node[] = []
    this.rest = undefined
    for (; this.#next < this.#pieces.length; ) {
      const index = this.#next++
      const piece = this.#pieces[index]!
      if (index % 2 === 0) {
        if (piece !== '') nodes.push({ kind: 'text', text: piece })
        continue
      }
      // A blank behind the word of a block may be missing, as in `range.Mounts`.
      const [word = '', argument = ''] = /^((?:if|range|with)\b|\S*)\s*(.*)$/s.exec(piece)!.slice(1)
      if (word === 'end' || word === 'else') {
        this.rest = piece
        return nodes
      }
      if (word === 'if' || word === 'range' || word === 'with') nodes.push(this.#block(word, argument, depth))
      else if (!/^\/\*.*\*\/$/s.test(piece)) nodes.push({ kind: 'value', pipeline: this.#pipeline(piece) })
    }
    return nodes
  }

  #block(word: 'if' | 'range' | 'with', argument: string, depth: number): Node {
    const [, names, source = argument] = /^(\$\w+(?:\s*,\s*\$\w+)?)\s*:=\s*(.*)$/s.exec(argument) ?? []
    const variables = names?.split(/\s*,\s*/) ?? []
    if (word !== 'range' && variables.length > 0) throw this.#refuse(`${word} sets no variables here`)
    const pipeline = this.#pipeline(source)
    const body = this.nodes(depth + 1)
    const otherwise = this.#otherwise(word, depth)
    return { kind: 'block', word, variables, pipeline, body, otherwise }
  }

  #otherwise(word: string, depth: number): readonly Node[] {
    const ending = this.rest
    if (ending === 'end') {
      this.rest = undefined
      return []
    }
    if (ending === undefined) throw this.#refuse(`${word} has no end`)
    const more = /^else\s+if\s+(.*)$/s.exec(ending)?.[1]
    if (more !== undefined) return [this.#block('if', more, depth + 1)]
    if (ending !== 'else') throw this.#refuse(`${ending} means nothing here`)
    const nodes = this.nodes(depth + 1)
    if (this.rest !== 'end') throw this.#refuse(`${word} has no end`)
    this.rest = undefined
    return nodes
  }

  #pipeline(text: string): Pipeline {
    const tokens = tokensOf(text, this.#template)
    const pipeline = new PipelineReader(tokens, this.#template).read(0)
    if (tokens.length > 0) throw this.#refuse(`${tokens[0]} means nothing here`)
    return pipeline
  }

  #refuse(reason: string): KataError {
    return invalidTemplate(this.#template, reason)
  }
}

/** `{{- x -}}` takes the white space away that is around it. */
function pieces(template: string): string[] {
  const found: string[] = []
  let rest = template
  let trims = false
  for (;;) {
    const start = rest.indexOf('{{')
    let text = start < 0 ? rest : rest.slice(0, start)
    if (trims) text = text.trimStart()
    if (start < 0) return [...found, text]
    const end = endOfAction(rest, start + 2, template)
    let action = rest.slice(start + 2, end)
    if (/^-\s/.test(action)) {
      text = text.trimEnd()
      action = action.slice(1)
    }
    trims = /\s-$/.test(action)
    if (trims) action = action.slice(0, -1)
    if (action.trim() === '') throw invalidTemplate(template, 'an action is empty')
    found.push(text, action.trim())
    rest = rest.slice(end + 2)
  }
}

/** A quoted text, which may have braces, or one other character. */
const part = /"(?:\\.|[^"\\])*"|`[^`]*`|[^"`]/sy

/** Where the closing braces of the action are that begins at `from`. */
function endOfAction(text: string, from: number, template: string): number {
  part.lastIndex = from
  // In a comment quotes mean nothing.
  const comment = /^(?:-\s+)?\/\*/.exec(text.slice(from, from + 80))
  if (comment !== null) part.lastIndex = Math.max(from, text.indexOf('*/', from + comment[0].length))
  while (part.lastIndex < text.length) {
    const at = part.lastIndex
    if (text.startsWith('}}', at)) return at
    if (part.exec(text) === null) throw invalidTemplate(template, 'a quoted text has no end')
  }
  throw invalidTemplate(template, 'an action has no closing braces')
}

/** Strings and numbers; paths from the dot or a variable, and what follows parentheses; names; `(`, `)` and `|`. */
const token = /\s*("(?:\\.|[^"\\])*"|`[^`]*`|\$?(?:\w*)(?:\.\w+)+|\$\w*|\.|-?\d+(?:\.\d+)?\b|\w+|[()|])/y

function tokensOf(text: string, template: string): string[] {
  const tokens: string[] = []
  token.lastIndex = 0
  const trimmed = text.trimEnd()
  while (token.lastIndex < trimmed.length) {
    const at = token.lastIndex
    const found = token.exec(trimmed)
    if (found === null)
      throw invalidTemplate(
        template,
        `${JSON.stringify(trimmed.slice(at).trimStart().slice(0, 20))} cannot be read`,
      )
    tokens.push(found[1]!)
  }
  return tokens
}

class PipelineReader {
  readonly #tokens: string[]
  readonly #template: string

  /** Takes from `tokens` what belongs to the pipeline. */
  constructor(tokens: string[], template: string) {
    this.#tokens = tokens
    this.#template = template
  }

  read(depth: number): Pipeline {
    if (depth > mostDepth) throw this.#refuse('it has too many parentheses')
    const commands = [this.#command(depth)]
    while (this.#tokens[0] === '|') {
      this.#tokens.shift()
      commands.push(this.#command(depth))
    }
    return commands
  }

  #command(depth: number): Command {
    const operands: Operand[] = []
    while (this.#tokens.length > 0 && this.#tokens[0] !== '|' && this.#tokens[0] !== ')')
      operands.push(this.#operand(this.#tokens.shift()!, depth))
    const [first, ...others] = operands
    if (first === undefined) throw this.#refuse('a value is missing')
    return [first, ...others]
  }

  #operand(word: string, depth: number): Operand {
    if (word === '(') {
      const pipeline = this.read(depth + 1)
      if (this.#tokens.shift() !== ')') throw this.#refuse('a parenthesis is not closed')
      const fields = this.#tokens[0]?.match(/^(\.\w+)+$/) ? fieldsOf(this.#tokens.shift()!) : []
      return { kind: 'pipeline', pipeline, fields }
    }
    if (word.startsWith('.')) return { kind: 'path', fields: fieldsOf(word) }
    if (word.startsWith('$')) {
      const [variable = '', ...fields] = word.split('.')
      return { kind: 'path', variable, fields }
    }
    if (word.startsWith('`')) return { kind: 'literal', value: word.slice(1, -1) }
    if (word.startsWith('"')) return { kind: 'literal', value: this.#string(word) }
    if (/^-?\d/.test(word)) return { kind: 'literal', value: Number(word) }
    if (word === 'true' || word === 'false') return { kind: 'literal', value: word === 'true' }
    if (word === 'nil') return { kind: 'literal', value: null }
    if ((functionNames as readonly string[]).includes(word)) return { kind: 'function', name: word }
    throw this.#refuse(`there is no function ${word}; there are ${functionNames.join(', ')}`)
  }

  #string(word: string): string {
    try {
      return readText(text, word.replaceAll('\t', '\\t').replaceAll('\n', '\\n'))
    } catch {
      throw this.#refuse(`${word} is not a string`)
    }
  }

  #refuse(reason: string): KataError {
    return invalidTemplate(this.#template, reason)
  }
}

const fieldsOf = (path: string): string[] => path.split('.').filter((field) => field !== '')
