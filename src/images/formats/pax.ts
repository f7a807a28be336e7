/** Extended headers of pax(1): records `LENGTH KEY=VALUE\n`, where LENGTH counts the whole record in bytes. */
import { TarError } from './tar-header.ts'

export const xattrPrefix = 'SCHILY.xattr.'
const keys: ReadonlySet<string> = new Set(['path', 'linkpath', 'size', 'uid', 'gid', 'mtime'])

export type PaxRecords = ReadonlyMap<string, Buffer>

/** Values are copies: what is kept of one must not keep the whole header. @throws TarError. */
export function parsePax(body: Buffer): PaxRecords {
  const records = new Map<string, Buffer>()
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at)
    const digits = space < 0 ? '' : body.toString('latin1', at, space)
    const length = /^[1-9]\d{0,9}$/.test(digits) ? Number(digits) : 0
    const record = body.subarray(space + 1, at + length)
    const equals = record.indexOf(0x3d)
    // Without a length the next turn would read the same record again, for ever.
    if (length === 0 || at + length > body.length || equals <= 0 || record.at(-1) !== 0x0a)
      throw new TarError('an extended header is malformed')
    const key = record.toString('utf8', 0, equals)
    if (isUsed(key)) records.set(key, Buffer.from(record.subarray(equals + 1, -1)))
    at += length
  }
  return records
}

/** @throws TarError for what would change the meaning of an entry and is not understood. */
function isUsed(key: string): boolean {
  if (key.startsWith('GNU.sparse.')) throw new TarError('it holds a sparse file')
  return keys.has(key) || key.startsWith(xattrPrefix)
}

/** Bytes that records take, about. */
export function sizeOf(records: PaxRecords): number {
  return [...records].reduce((sum, [key, value]) => sum + key.length + value.length, 0)
}
