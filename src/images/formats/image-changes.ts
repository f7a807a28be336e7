/** `--change` of `commit` and `import`: instructions of a Dockerfile that change an image's configuration. Pure. */
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
  for (const change of changes) changed = { ...changed, ...changeOf(changed, change) }
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
      // Another entry point makes the command void, as in a Dockerfile.
      return { Entrypoint: wordsOf(value, refuse), Cmd: undefined }
    case 'ENV': {
      const [name, content] = pair(value, refuse)
      const others = Array.isArray(before.Env) ? before.Env : []
      return { Env: [...others.filter((one) => !String(one).startsWith(`${name}=`)), `${name}=${content}`] }
    }
    case 'LABEL': {
      const [name, content] = pair(value, refuse)
      return { Labels: { ...(isObject(before.Labels) ? before.Labels : {}), [name]: content } }
    }
    case 'EXPOSE': {
      const port = /^\d+(\/(tcp|udp|sctp))?$/.test(value) ? value : undefined
      if (port === undefined) throw refuse('a port is a number, or NUMBER/udp')
      const name = port.includes('/') ? port : `${port}/tcp`
      return { ExposedPorts: { ...(isObject(before.ExposedPorts) ? before.ExposedPorts : {}), [name]: {} } }
    }
    case 'VOLUME':
      return { Volumes: { ...(isObject(before.Volumes) ? before.Volumes : {}), [value]: {} } }
    case 'STOPSIGNAL':
      return { StopSignal: value }
    case 'USER':
      return { User: value }
    case 'WORKDIR':
      return { WorkingDir: value }
    default:
      throw refuse(`${word} is not among them`)
  }
}

/** `["a", "b"]`, or a line for a shell. */
function wordsOf(value: string, refuse: (reason: string) => KataError): readonly string[] {
  if (!value.startsWith('[')) return ['/bin/sh', '-c', value]
  try {
    return readText(list(textReader), value)
  } catch (error) {
    if (error instanceof JsonMismatch) throw refuse('its list is no JSON of strings')
    throw error
  }
}

/** `NAME=value`, or as of old `NAME value`; quotes around the value are left out. */
function pair(value: string, refuse: (reason: string) => KataError): [name: string, content: string] {
  const [, name = '', content = ''] = /^([^\s=]+)(?:=|\s+)(.*)$/s.exec(value) ?? []
  if (name === '') throw refuse('it needs NAME=VALUE')
  return [name, content.replace(/^"(.*)"$/s, '$1')]
}
