/** `--change` of `commit` and `import`: instructions of a Dockerfile that change an image's configuration. Pure. */
import { posix } from 'node:path'
import { KataError } from '../../errors.ts'
import { isObject, list } from '../../json/compounds.ts'
import { readText, readValue } from '../../json/document.ts'
import { JsonMismatch } from '../../json/place.ts'
import { text as textReader } from '../../json/values.ts'
import { readImageConfig } from './image-config.ts'
import { expanded, pairs, type Variables, WordError } from './instruction-words.ts'

/** The object `config` of an image's configuration, as it is. */
export type RawConfig = Readonly<Record<string, unknown>>

/** Variables of an instruction are those of the image, with the changes before it. @throws KataError IMAGE_CHANGE_INVALID. */
export function changedConfig(config: RawConfig, changes: readonly string[]): RawConfig {
  let changed = config
  // An entry point makes the command of the image void, and none that was given here.
  let hasCommand = false
  for (const change of changes) {
    const made = changeOrRefuse(changed, change)
    changed = { ...changed, ...made, ...(hasCommand && 'Entrypoint' in made ? { Cmd: changed.Cmd } : {}) }
    hasCommand ||= made.Cmd !== undefined
  }
  return changed
}

function changeOrRefuse(before: RawConfig, change: string): RawConfig {
  const refuse = (reason: string) => new KataError('IMAGE_CHANGE_INVALID', { text: change, reason })
  try {
    const made = changeOf(before, change, refuse)
    // Nobody could read the image again.
    readValue(readImageConfig, { ...before, ...made })
    return made
  } catch (error) {
    if (error instanceof WordError || error instanceof JsonMismatch) throw refuse(error.message)
    throw error
  }
}

function changeOf(before: RawConfig, change: string, refuse: (reason: string) => KataError): RawConfig {
  const [, word = '', value = ''] = /^\s*(\w+)\s+(.*?)\s*$/s.exec(change) ?? []
  if (value === '') throw refuse('it is no instruction with a value')
  const environment = (Array.isArray(before.Env) ? before.Env : []).map(String)
  const variables = variablesOf(environment)
  const filled = (text: string) => {
    const made = expanded(text, variables)
    if (made === '') throw refuse('its variables leave nothing of it')
    return made
  }
  switch (word.toUpperCase()) {
    case 'CMD':
      return { Cmd: wordsOf(value, refuse) }
    case 'ENTRYPOINT':
      return { Entrypoint: wordsOf(value, refuse), Cmd: undefined }
    case 'ENV': {
      const given = new Map(pairs(value, variables))
      const kept = environment.filter((one) => !given.has(one.replace(/=.*/s, '')))
      return { Env: [...kept, ...[...given].map(([name, content]) => `${name}=${content}`)] }
    }
    case 'LABEL':
      return { Labels: { ...objectOr(before.Labels), ...Object.fromEntries(pairs(value, variables)) } }
    case 'EXPOSE': {
      const ports = filled(value).split(/\s+/)
      if (!ports.every((port) => /^\d+(\/(tcp|udp|sctp))?$/.test(port)))
        throw refuse('a port is a number, or NUMBER/udp')
      return { ExposedPorts: { ...objectOr(before.ExposedPorts), ...named(ports.map(withProtocol)) } }
    }
    case 'VOLUME': {
      const paths = value.startsWith('[') ? jsonWords(value, refuse) : value.split(/\s+/)
      return { Volumes: { ...objectOr(before.Volumes), ...named(paths.map(filled)) } }
    }
    case 'STOPSIGNAL':
      return { StopSignal: filled(value) }
    case 'USER':
      return { User: filled(value) }
    case 'WORKDIR':
      return { WorkingDir: posix.resolve('/', String(before.WorkingDir ?? ''), filled(value)) }
    default:
      throw refuse(`${word} is not among them`)
  }
}

/** The last of a name counts. */
function variablesOf(environment: readonly string[]): Variables {
  const values = new Map(
    environment.map((entry) => [entry.replace(/=.*/s, ''), entry.replace(/^[^=]*=?/, '')]),
  )
  return (name) => values.get(name)
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
