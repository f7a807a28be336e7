/** `--change` of `commit` and `import`: instructions of a Dockerfile that change an image's configuration. Pure. */
import { posix } from 'node:path'
import { KataError } from '../../errors.ts'
import { isObject, list } from '../../json/compounds.ts'
import { readText } from '../../json/document.ts'
import { JsonMismatch } from '../../json/place.ts'
import { text as textReader } from '../../json/values.ts'

/** The object `config` of an image's configuration, as it is. */
export type RawConfig = Readonly<Record<string, unknown>>

/** @throws KataError IMAGE_CHANGE_INVALID. */
export function changedConfig(config: RawConfig, changes: readonly string[]): RawConfig {
  let changed = config
  // An entry point makes the command of the image void, and none that was given here.
  let hasCommand = false
  for (const change of changes) {
    const made = changeOf(changed, change)
    changed = { ...changed, ...made, ...(hasCommand && 'Entrypoint' in made ? { Cmd: changed.Cmd } : {}) }
    hasCommand ||= made.Cmd !== undefined
  }
  return changed
}

function changeOf(before: RawConfig, change: string): RawConfig {
  const refuse = (reason: string) => new KataError('IMAGE_CHANGE_INVALID', { text: change, reason })
  const [, word = '', value = ''] = /^\s*(\w+)\s+(.*?)\s*$/s.exec(change) ?? []
  if (value === '') throw refuse('it is no instruction with a value')
  switch (word.toUpperCase()) {
    case 'CMD':
      return { Cmd: wordsOf(value, refuse) }
    case 'ENTRYPOINT':
      return { Entrypoint: wordsOf(value, refuse), Cmd: undefined }
    case 'ENV': {
      const given = new Map(pairs(value, refuse))
      const others = (Array.isArray(before.Env) ? before.Env : []).map(String)
      const kept = others.filter((one) => !given.has(one.replace(/=.*/s, '')))
      return { Env: [...kept, ...[...given].map(([name, content]) => `${name}=${content}`)] }
    }
    case 'LABEL':
      return { Labels: { ...objectOr(before.Labels), ...Object.fromEntries(pairs(value, refuse)) } }
    case 'EXPOSE': {
      const ports = value.split(/\s+/)
      if (!ports.every((port) => /^\d+(\/(tcp|udp|sctp))?$/.test(port)))
        throw refuse('a port is a number, or NUMBER/udp')
      return { ExposedPorts: { ...objectOr(before.ExposedPorts), ...named(ports.map(withProtocol)) } }
    }
    case 'VOLUME': {
      const paths = value.startsWith('[') ? jsonWords(value, refuse) : value.split(/\s+/)
      return { Volumes: { ...objectOr(before.Volumes), ...named(paths) } }
    }
    case 'STOPSIGNAL':
      return { StopSignal: value }
    case 'USER':
      return { User: value }
    case 'WORKDIR':
      return { WorkingDir: posix.resolve('/', String(before.WorkingDir ?? ''), value) }
    default:
      throw refuse(`${word} is not among them`)
  }
}

/** `["a", "b"]`, or a line for a shell. */
function wordsOf(value: string, refuse: (reason: string) => KataError): readonly string[] {
  return value.startsWith('[') ? jsonWords(value, refuse) : ['/bin/sh', '-c', value]
}

function jsonWords(value: string, refuse: (reason: string) => KataError): readonly string[] {
  try {
    return readText(list(textReader), value)
  } catch (error) {
    if (error instanceof JsonMismatch) throw refuse('its list is no JSON of strings')
    throw error
  }
}

const objectOr = (value: unknown): Readonly<Record<string, unknown>> => (isObject(value) ? value : {})
const named = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]))
const withProtocol = (port: string): string => (port.includes('/') ? port : `${port}/tcp`)

/** Words, in which quotes keep spaces. What a backslash stands before is itself. */
const words = /(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/gs

/** `NAME=value OTHER="two words"`, or as of old `NAME value`. */
function pairs(value: string, refuse: (reason: string) => KataError): (readonly [string, string])[] {
  const needed = refuse('it needs NAME=VALUE')
  const given = value.match(words) ?? []
  if (!given[0]?.includes('=')) {
    const [, name, content = ''] = /^(\S+)\s+(.*)$/s.exec(value) ?? []
    if (name === undefined) throw needed
    return [[unquoted(name), unquoted(content)]]
  }
  if (value.replace(words, '').trim() !== '') throw refuse('a quote in it has no end')
  return given.map((one) => {
    const [, name = '', content = ''] = /^([^=]+)=(.*)$/s.exec(one) ?? []
    if (name === '') throw needed
    return [unquoted(name), unquoted(content)] as const
  })
}

function unquoted(text: string): string {
  return text.replace(
    /\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/gs,
    (_, escaped?: string, double?: string, single?: string) =>
      escaped ?? single ?? (double ?? '').replace(/\\(["\\$])/g, '$1'),
  )
}
