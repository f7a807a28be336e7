/**
 * Go's templates as `docker ps --format` and `docker inspect --format` take them: fields, `range`, `if`, `with`, pipes, and the functions
 * of functionNames. Nothing of it reaches beyond the value that it is given.
 */
import { plainLines } from '../../../plain-text.ts'
import { Budget } from './budget.ts'
import {
  type FunctionName,
  invalidTemplate,
  type Node,
  type Operand,
  type Pipeline,
  parseTemplate,
} from './parse.ts'

/** A method of the value, for instance `.Label "a"`. */
export type Method = (...args: unknown[]) => unknown

export interface Template {
  /**
   * All that is rendered with one `budget` counts together.
   *
   * @throws KataError TEMPLATE_INVALID when the value has no such field, or the budget is used up.
   */
  render(value: unknown, budget?: Budget): string
}

/** @throws KataError TEMPLATE_INVALID. */
export function compileTemplate(template: string): Template {
  const nodes = parseTemplate(template)
  return {
    render(value, budget = new Budget()) {
      const evaluation = new Evaluation(template, value, budget)
      // Other control bytes are foreign text's, and could move the cursor of the reader's terminal.
      return plainLines(evaluation.nodes(nodes, { dot: value, variables: {} }), '?')
    },
  }
}

interface Scope {
  readonly dot: unknown
  readonly variables: Readonly<Record<string, unknown>>
}

class Evaluation {
  readonly #template: string
  readonly #root: unknown
  readonly #budget: Budget

  constructor(template: string, root: unknown, budget: Budget) {
    this.#template = template
    this.#root = root
    this.#budget = budget
  }

  nodes(nodes: readonly Node[], scope: Scope): string {
    return nodes.map((node) => this.#node(node, scope)).join('')
  }

  #node(node: Node, scope: Scope): string {
    this.#spend(1)
    if (node.kind === 'text') return this.#counted(node.text)
    const value = this.#pipeline(node.pipeline, scope)
    if (node.kind === 'value') return this.#text(value)
    if (node.word === 'range') return this.#range(node, value, scope)
    if (!isTrue(value)) return this.nodes(node.otherwise, scope)
    return this.nodes(node.body, node.word === 'with' ? { ...scope, dot: value } : scope)
  }

  #range(node: Extract<Node, { kind: 'block' }>, value: unknown, scope: Scope): string {
    const entries = this.#entries(value)
    if (entries.length === 0) return this.nodes(node.otherwise, scope)
    const [first, second] = node.variables
    // Each has the variables around it once more.
    this.#spend(entries.length * (1 + Object.keys(scope.variables).length))
    return entries
      .map(([key, item]) => {
        const named =
          second !== undefined
            ? { [first!]: key, [second]: item }
            : first !== undefined
              ? { [first]: item }
              : {}
        return this.nodes(node.body, { dot: item, variables: { ...scope.variables, ...named } })
      })
      .join('')
  }

  #entries(value: unknown): [unknown, unknown][] {
    if (value === null || value === undefined) return []
    if (Array.isArray(value)) return value.map((item, index) => [index, item])
    if (typeof value === 'object') return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    throw this.#refuse(`${this.#text(value).slice(0, 40)} is nothing to range over`)
  }

  #pipeline(pipeline: Pipeline, scope: Scope): unknown {
    let piped: [] | [unknown] = []
    for (const [first, ...others] of pipeline) {
      const args: unknown[] = [...others.map((operand) => this.#operand(operand, scope)), ...piped]
      piped = [this.#call(first, args, scope)]
    }
    return piped[0]
  }

  #call(first: Operand, args: readonly unknown[], scope: Scope): unknown {
    this.#spend(1 + args.length)
    if (first.kind === 'function') return this.#function(first.name as FunctionName, args)
    const value = this.#operand(first, scope)
    if (typeof value === 'function') return (value as Method)(...args.map((arg) => this.#text(arg)))
    if (args.length > 0)
      throw this.#refuse(`${this.#text(value).slice(0, 40) || 'a value'} takes no arguments`)
    return value
  }

  #operand(operand: Operand, scope: Scope): unknown {
    switch (operand.kind) {
      case 'literal':
        return operand.value
      case 'function':
        return this.#function(operand.name as FunctionName, [])
      case 'pipeline':
        return this.#fields(this.#pipeline(operand.pipeline, scope), operand.fields)
      case 'path':
        return this.#fields(this.#base(operand.variable, scope), operand.fields)
    }
  }

  #base(variable: string | undefined, { dot, variables }: Scope): unknown {
    if (variable === undefined) return dot
    if (variable === '$') return this.#root
    if (!Object.hasOwn(variables, variable)) throw this.#refuse(`there is no variable ${variable}`)
    return variables[variable]
  }

  #fields(value: unknown, fields: readonly string[]): unknown {
    this.#spend(fields.length)
    return fields.reduce((owner, field) => this.#field(owner, field), value)
  }

  #field(owner: unknown, field: string): unknown {
    if (isObject(owner) && Object.hasOwn(owner, field)) return owner[field]
    // A map, as in Go: any key may be missing.
    if (isObject(owner) && Object.getPrototypeOf(owner) === null) return ''
    // What is not there has no parts.
    if (owner === null || owner === undefined) return undefined
    const names = isObject(owner) ? Object.keys(owner).slice(0, 60) : []
    const known = names.length > 0 ? `; there are ${names.join(', ')}` : ''
    throw this.#refuse(`there is no field ${field}${known}`)
  }

  #function(name: FunctionName, args: readonly unknown[]): unknown {
    const [first, second] = args
    for (const arg of args) this.#look(arg)
    switch (name) {
      case 'json':
        return this.#json(first)
      case 'join':
        return this.#join(first, second)
      case 'split':
        return this.#listed(this.#text(first).split(this.#text(second ?? ',')))
      case 'index':
        return args.slice(1).reduce((owner, key) => this.#index(owner, key), first)
      case 'len':
        return this.#length(first)
      case 'upper':
        return this.#firstText(args)?.toUpperCase()
      case 'lower':
        return this.#firstText(args)?.toLowerCase()
      case 'title':
        return this.#firstText(args)?.replace(/\b\p{L}/gu, (letter) => letter.toUpperCase())
      case 'print':
        return args.map((arg) => this.#text(arg)).join(' ')
      case 'println':
        return `${args.map((arg) => this.#text(arg)).join(' ')}\n`
      case 'not':
        return !isTrue(first)
      case 'and':
        // By its place: what is empty may be a value that is not there.
        return args.at(args.findIndex((arg) => !isTrue(arg)))
      case 'or':
        return args.find(isTrue) ?? args.at(-1)
      case 'eq':
        return args.slice(1).some((other) => other === first)
      case 'ne':
        return first !== second
      default:
        return this.#compare(name, first, second)
    }
  }

  /** A method has no JSON: like a field that is not there. */
  #json(value: unknown): string | undefined {
    const text = JSON.stringify(value ?? null) as string | undefined
    return text === undefined ? undefined : this.#counted(text)
  }

  #join(list: unknown, between: unknown): string {
    if (!Array.isArray(list)) throw this.#refuse('join takes a list and a separator')
    const separator = this.#text(between ?? '')
    const texts = this.#listed(list).map((item) => this.#text(item))
    // Before it is made: both may be long.
    this.#budget.text(separator.length * texts.length, this.#template)
    return texts.join(separator)
  }

  #compare(name: 'lt' | 'le' | 'gt' | 'ge', a: unknown, b: unknown): boolean {
    if (typeof a !== typeof b || (typeof a !== 'number' && typeof a !== 'string'))
      throw this.#refuse(`${name} compares two numbers or two texts`)
    const [left, right] = [a, b as typeof a]
    return { lt: left < right, le: left <= right, gt: left > right, ge: left >= right }[name]
  }

  /** As in Go, a map has something empty where it has no such key. */
  #index(owner: unknown, key: unknown): unknown {
    if (Array.isArray(owner)) {
      if (typeof key !== 'number' || !(key in owner))
        throw this.#refuse(`the list has no place ${this.#text(key).slice(0, 40)}`)
      return owner[key]
    }
    if (isObject(owner)) {
      const name = this.#text(key)
      return Object.hasOwn(owner, name) ? owner[name] : ''
    }
    if (owner === null || owner === undefined) return undefined
    throw this.#refuse('index takes a list or a map')
  }

  #length(value: unknown): number {
    if (value === null || value === undefined) return 0
    if (typeof value === 'string') return Buffer.byteLength(value)
    if (Array.isArray(value)) return value.length
    if (isObject(value)) return Object.keys(value).length
    throw this.#refuse('len takes a text, a list or a map')
  }

  #firstText(args: readonly unknown[]): string | undefined {
    return args.length === 0 ? undefined : this.#text(args[0])
  }

  #text(value: unknown): string {
    return this.#counted(asText(value))
  }

  #counted(text: string): string {
    this.#budget.text(text.length, this.#template)
    return text
  }

  #listed(list: readonly unknown[]): readonly unknown[] {
    this.#spend(list.length)
    return list
  }

  /** A function may look at all of what it is given: a text counts as text, a map has a step for each of its names. */
  #look(value: unknown): void {
    if (typeof value === 'string') this.#counted(value)
    else if (isObject(value)) this.#listed(Object.keys(value))
  }

  #spend(steps: number): void {
    this.#budget.steps(steps, this.#template)
  }

  #refuse(reason: string) {
    return invalidTemplate(this.#template, reason)
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** As Go's templates see it: what is empty is false. */
function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0
  if (isObject(value)) {
    for (const _ in value) return true
    return false
  }
  return Boolean(value)
}

/** As Go prints it. */
function asText(value: unknown): string {
  if (value === null || value === undefined) return '<no value>'
  if (Array.isArray(value)) return `[${value.map(asText).join(' ')}]`
  if (isObject(value)) {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    return `map[${entries.map(([key, item]) => `${key}:${asText(item)}`).join(' ')}]`
  }
  return String(value)
}
