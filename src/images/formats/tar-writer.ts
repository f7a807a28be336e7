/** Headers of a tar archive, in the format of pax(1). Names are bytes, as the file system has them. Pure. */
import { xattrPrefix } from './pax.ts'
import { blockBytes } from './tar-header.ts'

export interface WrittenEntry {
  /** Without a slash at its end. */
  readonly name: Uint8Array
  readonly type: 'file' | 'hardlink' | 'symlink' | 'directory' | 'fifo'
  /** Bytes of content; of a file alone. */
  readonly size: number
  /** Permission bits with set-uid, set-gid and sticky. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since 1970. */
  readonly mtime: number
  readonly linkName?: Uint8Array
  readonly xattrs?: ReadonlyMap<string, Uint8Array>
}

const flags = { file: '0', hardlink: '1', symlink: '2', directory: '5', fifo: '6' } as const
/** What 11 and 7 octal digits can say. */
const [mostSize, mostId] = [0o77777777777, 0o7777777]
const nameBytes = 100

/** The header of an entry, with an extended one before it where the old format has no room. */
export function tarHeader(entry: WrittenEntry): Buffer {
  const name =
    entry.type === 'directory' ? Buffer.concat([entry.name, Buffer.from('/')]) : Buffer.from(entry.name)
  const link = Buffer.from(entry.linkName ?? [])
  const records = [
    ...(name.length > nameBytes ? [record('path', name)] : []),
    ...(link.length > nameBytes ? [record('linkpath', link)] : []),
    ...(entry.size > mostSize ? [record('size', text(entry.size))] : []),
    ...(entry.uid > mostId ? [record('uid', text(entry.uid))] : []),
    ...(entry.gid > mostId ? [record('gid', text(entry.gid))] : []),
    ...[...(entry.xattrs ?? [])].map(([key, value]) => record(`${xattrPrefix}${key}`, value)),
  ]
  const own = block(entry, name, link, flags[entry.type])
  if (records.length === 0) return own
  const body = Buffer.concat(records)
  const extended = { ...entry, size: body.length, mode: 0o644, uid: 0, gid: 0, mtime: 0 }
  return Buffer.concat([
    block(extended, Buffer.from('pax'), Buffer.alloc(0), 'x'),
    body,
    tarPadding(body.length),
    own,
  ])
}

/** The zeros behind content of that many bytes. */
export const tarPadding = (size: number): Buffer =>
  Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes)

/** The end of an archive. */
export const tarEnd = (): Buffer => Buffer.alloc(2 * blockBytes)

const text = (value: number): Buffer => Buffer.from(`${value}`)

function block(entry: WrittenEntry, name: Buffer, link: Buffer, flag: string): Buffer {
  const header = Buffer.alloc(blockBytes)
  const octal = (value: number, at: number, digits: number) =>
    header.write(Math.max(0, Math.floor(value)).toString(8).padStart(digits, '0'), at, 'latin1')
  // A longer one is in the extended header; its beginning may end within a character.
  if (name.length <= nameBytes) name.copy(header)
  else header.write('pax', 'latin1')
  octal(entry.mode & 0o7777, 100, 7)
  octal(entry.uid > mostId ? 0 : entry.uid, 108, 7)
  octal(entry.gid > mostId ? 0 : entry.gid, 116, 7)
  octal(entry.size > mostSize ? 0 : entry.size, 124, 11)
  octal(Math.min(entry.mtime, mostSize), 136, 11)
  header.write(flag, 156, 'latin1')
  if (link.length <= nameBytes) link.copy(header, 157)
  header.write('ustar\x0000', 257, 'latin1')
  // The sum takes its own field as spaces.
  header.fill(' ', 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return header
}

/** `LENGTH KEY=VALUE\n`; the length counts its own digits. */
function record(key: string, value: Uint8Array): Buffer {
  const rest = Buffer.byteLength(` ${key}=\n`) + value.length
  let length = rest
  while (length !== rest + `${length}`.length) length = rest + `${length}`.length
  return Buffer.concat([Buffer.from(`${length} ${key}=`), value, Buffer.from('\n')])
}
