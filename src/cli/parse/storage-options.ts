/** `--storage-opt size=SIZE`, docker's name for the bound of what a container writes. */
import { KataError } from '../../errors.ts'
import { parseSize } from './size.ts'

/** An ext4 with its journal has some room for files from here on; more than this it cannot be with blocks of 4 KiB. */
const [leastBytes, mostBytes] = [16 * 2 ** 20, 16 * 2 ** 40]

/** Bytes; undefined without one. The last one counts. @throws KataError OPTION_INVALID. */
export function parseStorageOptions(options: readonly string[]): number | undefined {
  let bytes: number | undefined
  for (const option of options) {
    const [, value] = /^size=(.*)$/.exec(option) ?? []
    if (value === undefined) throw refused(option)
    bytes = parseSize(value, '--storage-opt size')
    if (bytes < leastBytes || bytes > mostBytes) throw refused(option)
  }
  return bytes
}

function refused(value: string): KataError {
  return new KataError('OPTION_INVALID', {
    option: '--storage-opt',
    value,
    allowed: 'size=SIZE, from 16M to 16T',
  })
}
