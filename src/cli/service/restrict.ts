/** Turns a member's words into the command line that root runs for him: parsed, checked, and rebuilt. */
import type { Command } from 'commander'
import { KataError } from '../../errors.ts'
import { transportOf } from '../../images/names/image-source.ts'
import { firstOpenPort } from '../../linux/interfaces/low-ports.ts'
import { wordsOf } from '../commands/run.ts'
import { readEnvFile } from '../parse/env-file.ts'
import { parseLogOptions } from '../parse/log-options.ts'
import { mountFields, mountText } from '../parse/mount.ts'
import { generateName } from '../parse/name.ts'
import { parsePublish } from '../parse/publish.ts'
import type { Settings } from '../settings.ts'
import { addedWords, allowedOptions, mostOfLog, type Passing } from './allowed.ts'

/** What is asked of the member's own process, which does it with his rights. */
export interface Caller {
  readonly uid: number
  readonly gid: number
  /** The path of a descriptor of ours for a file that he may read. @throws KataError CALLER_FILE. */
  readable(path: string): string
  /** A descriptor of ours, O_PATH, of a file or directory that he can reach. @throws KataError CALLER_FILE. */
  location(path: string): number
  /** Makes a file with this content, where none may be. @throws KataError CALLER_FILE. */
  writeNew(path: string, content: string): void
  /** The value of a variable of his. */
  variable(name: string): string | undefined
}

/** Variables of all files together, as many as a request has words: each becomes an option. */
const mostVariables = 4096

/** Where the service keeps everything. */
export type Own = Pick<Settings, 'runDir' | 'stateDir'>

export interface Restricted {
  /** For the log. */
  readonly command: string
  /** The whole command line, without the options that say where everything is. */
  readonly argv: readonly string[]
}

/**
 * `program` is a command table of its own: its actions are replaced.
 *
 * @throws KataError SERVICE_REFUSED for what is not allowed; CALLER_FILE; what commander throws.
 */
export async function restrict(
  program: Command,
  argv: readonly string[],
  caller: Caller,
  own: Own,
): Promise<Restricted> {
  let asked: Command | undefined
  const replace = (command: Command, first: Command) => {
    command.action(() => {
      asked = first
    })
    for (const child of command.commands) replace(child, first)
  }
  for (const command of program.commands) replace(command, command)
  await program.parseAsync([...argv], { from: 'user' })
  if (asked === undefined) throw new KataError('SERVICE_REFUSED', { what: 'this command' })
  return { command: asked.name(), argv: rewritten(program, asked, caller, own) }
}

function rewritten(program: Command, command: Command, caller: Caller, own: Own): string[] {
  const name = command.name()
  const allowed = allowedOptions(name)
  if (allowed === undefined) throw new KataError('SERVICE_REFUSED', { what: `kata-ts ${name}` })
  const words: string[] = []
  // In front of those of --env, which win.
  const variables: string[] = []
  let cidfile: string | undefined
  for (const { long, attributeName, value } of [...given(program), ...given(command)]) {
    const passing = Object.hasOwn(allowed, attributeName) ? allowed[attributeName] : undefined
    if (passing === undefined || (passing === 'own' && value !== own[attributeName as keyof Own]))
      throw new KataError('SERVICE_REFUSED', { what: `the option ${long} of kata-ts ${name}` })
    if (passing === 'own' || passing === 'caller') continue
    if (passing === 'new-file') cidfile = String(value)
    else
      for (const each of valuesOf(value)) {
        const found = passed(passing, long, each, caller)
        if (passing === 'env-file' && variables.length + found.length > mostVariables)
          throw new KataError('SERVICE_REFUSED', { what: `more than ${mostVariables} variables of files` })
        ;(passing === 'env-file' ? variables : words).push(...found)
      }
  }
  if (cidfile !== undefined) words.push(...named(command, cidfile, caller))
  return [name, ...addedWords(name), ...variables, ...words, ...withImage(command)]
}

/** What stands behind the options. An image by its name stands in front of the `--`, behind which all words are the command's. */
function withImage(command: Command): string[] {
  const { args } = command
  const isNamed = command.name() === 'run' || command.name() === 'create'
  const hasFiles = ['image', 'rootfs'].some((option) => command.getOptionValue(option) !== undefined)
  const [image, ...rest] = args
  if (command.name() === 'pull') refuseStores(image)
  if (!isNamed || hasFiles || image === undefined || wordsOf(command).onlyCommand) return ['--', ...args]
  refuseStores(image)
  return [image, '--', ...(rest[0] === '--' ? rest.slice(1) : rest)]
}

/** Root would read files and sockets of the host for him. */
function refuseStores(image = ''): void {
  const transport = transportOf(image)
  if (transport !== undefined) throw new KataError('SERVICE_REFUSED', { what: `an image of ${transport}:` })
}

interface Given {
  readonly long: string
  readonly attributeName: string
  readonly value: unknown
}

/** The options that were given, by their long names. */
function given(command: Command): Given[] {
  return command.options.flatMap((option) => {
    const attributeName = option.attributeName()
    if (command.getOptionValueSource(attributeName) !== 'cli') return []
    return [{ long: option.long ?? '', attributeName, value: command.getOptionValue(attributeName) }]
  })
}

/** A flag has none: true, or false for one that is called --no-something. */
function valuesOf(value: unknown): (string | undefined)[] {
  if (typeof value === 'boolean') return [undefined]
  return Array.isArray(value) ? value.map(String) : [String(value)]
}

function passed(passing: Passing, long: string, value: string | undefined, caller: Caller): string[] {
  if (value === undefined) return [long]
  if (typeof passing !== 'string') {
    if (passing.includes(value)) return [`${long}=${value}`]
    throw new KataError('SERVICE_REFUSED', { what: `${long} ${JSON.stringify(value.slice(0, 80))}` })
  }
  switch (passing) {
    case 'env':
      return [variable(long, value, caller) ?? `${long}=${value}`]
    case 'env-file':
      return readEnvFile(caller.readable(value), value).flatMap(
        (line) => variable('--env', line, caller) ?? [],
      )
    case 'image':
      return [`${long}=${value === '-' ? value : caller.readable(value)}`]
    case 'file':
      return [`${long}=${caller.readable(value)}`]
    case 'volume':
      return [callerVolume(volumeOf(value), caller)]
    case 'publish':
      for (const { host } of parsePublish([value]))
        if (host !== undefined && host < firstOpenPort())
          throw new KataError('SERVICE_REFUSED', { what: `port ${host} of the host` })
      return [`${long}=${value}`]
    case 'mount':
      return mount(long, value, caller)
    case 'log':
      requireSmallLog(value)
      return [`${long}=${value}`]
    default:
      return [`${long}=${value}`]
  }
}

/** `option` is one value of `--log-opt`. */
function requireSmallLog(option: string): void {
  const { maxBytes, maxFiles } = parseLogOptions([option])
  if (maxBytes <= mostOfLog.maxBytes && maxFiles <= mostOfLog.maxFiles) return
  const most = `max-size=${mostOfLog.maxBytes / 2 ** 20}m and max-file=${mostOfLog.maxFiles}`
  throw new KataError('SERVICE_REFUSED', { what: `--log-opt ${option} (members may have ${most})` })
}

/** The service has not the caller's environment. Undefined for a name of which the caller has no variable. */
function variable(long: string, text: string, caller: Caller): string | undefined {
  if (text.includes('=')) return `${long}=${text}`
  const value = caller.variable(text)
  return value === undefined ? undefined : `${long}=${text}=${value}`
}

/** The name is written before the container is there, as `run` does it. */
function named(command: Command, file: string, caller: Caller): string[] {
  const asked: unknown = command.getOptionValue('name')
  const name = typeof asked === 'string' ? asked : generateName()
  caller.writeNew(file, name)
  return asked === undefined ? [`--name=${name}`] : []
}

interface AskedVolume {
  readonly source: string
  readonly destination: string
  readonly readonly: boolean
}

/** `SRC:DST[:ro|rw]`. Disks with file systems are for root. */
function volumeOf(text: string): AskedVolume {
  const refuse = (reason: string) => new KataError('VOLUME_INVALID', { volume: text, reason })
  const [source = '', destination = '', access = 'rw', ...more] = text.split(':')
  if (destination === '' || more.length > 0) throw refuse('it needs the form SRC:DST or SRC:DST:ro')
  if (access !== 'ro' && access !== 'rw')
    throw new KataError('SERVICE_REFUSED', { what: `the option ${access} of volume ${text}` })
  if (source === '') throw refuse('the source is not a path')
  if (!/^(\/|\.{1,2}(\/|$))/.test(source))
    throw new KataError('SERVICE_REFUSED', { what: `a volume by its name (${source.slice(0, 80)})` })
  return { source, destination, readonly: access === 'ro' }
}

/** Parsed as the command parses it, and rebuilt, so that both agree on which fields count. */
function mount(long: string, text: string, caller: Caller): string[] {
  const fields = mountFields(text)
  const type = fields.get('type')
  if (type === 'tmpfs') return [`${long}=${mountText(fields)}`]
  if (type !== 'bind')
    throw new KataError('SERVICE_REFUSED', { what: `the mount ${JSON.stringify(text.slice(0, 200))}` })
  const volume = {
    source: fields.get('source') ?? '',
    destination: fields.get('target') ?? '',
    readonly: fields.get('readonly') === 'true',
  }
  return [callerVolume(volume, caller)]
}

function callerVolume({ source, destination, readonly }: AskedVolume, caller: Caller): string {
  const fd = caller.location(source)
  const { uid, gid } = caller
  return `--caller-volume=${JSON.stringify({ fd, uid, gid, destination, readonly })}`
}
