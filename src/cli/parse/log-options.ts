/** `--log-opt max-size=SIZE` and `max-file=N`, docker's names for the bounds of a container's log. */
import { KataError } from '../../errors.ts'
import type { LogBounds } from '../../sandbox/records/container-log.ts'
import { parseWhole } from './number.ts'
import { parseSize } from './size.ts'

/** What is kept by default. */
export const defaultLogBounds: LogBounds = { maxBytes: 16 * 2 ** 20, maxFiles: 2 }

/** A record of the longest line that is written at once has to fit. */
const leastBytes = 64 * 1024

/** @throws KataError OPTION_INVALID. */
export function parseLogOptions(options: readonly string[]): LogBounds {
  let bounds = defaultLogBounds
  for (const option of options) {
    const [, name, value = ''] = /^([^=]*)=(.*)$/.exec(option) ?? []
    if (name === 'max-size') bounds = { ...bounds, maxBytes: parseLogSize(option, value) }
    else if (name === 'max-file')
      bounds = { ...bounds, maxFiles: parseWhole(value, '--log-opt max-file', 1, 100) }
    else throw refused(option)
  }
  return bounds
}

function parseLogSize(option: string, value: string): number {
  const bytes = parseSize(value, '--log-opt max-size')
  if (bytes < leastBytes) throw refused(option)
  return bytes
}

function refused(value: string): KataError {
  return new KataError('OPTION_INVALID', {
    option: '--log-opt',
    value,
    allowed: 'max-size=SIZE of at least 64k, and max-file=N',
  })
}
