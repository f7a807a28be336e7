/** `--label KEY=VALUE` and `--label-file FILE`: what a person notes about a container, for `ps --filter` and `inspect`. */
import { openSync } from 'node:fs'
import { describeError, KataError } from '../../errors.ts'
import { closing } from '../../linux/files/open-at.ts'
import { readUpTo } from '../../linux/files/read-up-to.ts'

export type Labels = Readonly<Record<string, string>>

const mostLabels = 1000
const mostBytes = 1 << 16
/** The most for all files together, bytes. Root reads them for members of the service's group, too. */
const mostFileBytes = 1 << 20

/** Labels of files first, so that options win. @throws KataError OPTION_INVALID. */
export function readLabels(options: readonly string[], files: readonly string[]): Labels {
  let room = mostFileBytes
  const lines = files.flatMap((path) => {
    const bytes = read(path, room)
    room -= bytes.length
    return bytes.toString().split('\n')
  })
  const ofFiles = lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))
  return parseLabels([...ofFiles, ...options])
}

function read(path: string, room: number): Buffer {
  const refused = (allowed: string, cause?: unknown) =>
    new KataError('OPTION_INVALID', { option: '--label-file', value: path, allowed }, { cause })
  let bytes: Buffer
  try {
    bytes = closing(openSync(path, 'r'), (fd) => readUpTo(fd, room + 1))
  } catch (cause) {
    throw refused(`a file that can be read: ${describeError(cause)}`, cause)
  }
  if (bytes.length > room) throw refused(`files of at most ${mostFileBytes} bytes together`)
  return bytes
}

/** As docker's lists show them. */
export const labelsText = (labels: Labels): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',')

/** A label without `=` is empty. Pure. @throws KataError OPTION_INVALID. */
export function parseLabels(options: readonly string[]): Labels {
  const labels = new Map(options.map(parseLabel))
  if (labels.size > mostLabels) throw invalid(`${labels.size} labels`)
  return Object.fromEntries(labels)
}

function parseLabel(text: string): [name: string, value: string] {
  const equals = text.indexOf('=')
  const [name, value] = equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)]
  if (name.trim() !== name || name === '' || text.includes('\0') || Buffer.byteLength(text) > mostBytes)
    throw invalid(text.slice(0, 100))
  return [name, value]
}

function invalid(value: string): KataError {
  return new KataError('OPTION_INVALID', {
    option: '--label',
    value,
    allowed: `KEY=VALUE or KEY, of at most ${mostBytes} bytes, and at most ${mostLabels} of them`,
  })
}
