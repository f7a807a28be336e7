/** Entries of a tar archive: ustar, pax extended headers and GNU long names, merged into one description each. */
import type { ByteSource } from './byte-source.ts'
import { type PaxRecords, parsePax, sizeOf, xattrPrefix } from './pax.ts'
import { blockBytes, decodeName, parseHeader, TarError, type TarHeader } from './tar-header.ts'

export interface TarEntry extends Omit<TarHeader, 'type'> {
  readonly type: 'file' | 'hardlink' | 'symlink' | 'char-device' | 'block-device' | 'directory' | 'fifo'
  /** Extended attributes by name. */
  readonly xattrs: ReadonlyMap<string, Buffer>
  /** Where the content begins in the archive. */
  readonly offset: number
  /** The content; what is not read is skipped. */
  content(): AsyncGenerator<Buffer>
}

/** Extended headers and long names before one entry, together. */
const maxMetaBytes = 1 << 20
/** Most bytes kept of global headers, which apply to every entry. */
const maxGlobalBytes = 1 << 16
/** PATH_MAX of Linux: no longer name can be made. */
const maxNameBytes = 4096
/** Linux has no others. */
const mostId = 0xffff_ffff
const types = new Map<string, TarEntry['type']>([
  ['0', 'file'],
  ['7', 'file'],
  ['1', 'hardlink'],
  ['2', 'symlink'],
  ['3', 'char-device'],
  ['4', 'block-device'],
  ['5', 'directory'],
  ['6', 'fifo'],
])

/** Yields every entry in order. Ends at the zero block, or at the end of the stream. @throws TarError. */
export async function* readTar(source: ByteSource): AsyncGenerator<TarEntry> {
  let global: PaxRecords = new Map()
  let local: PaxRecords = new Map()
  let longName: string | undefined
  let longLink: string | undefined
  let metaBytes = 0
  for (;;) {
    const header = await nextHeader(source)
    if (header === undefined) return
    if ('xgLK'.includes(header.type)) {
      metaBytes += blockBytes + header.size
      if (metaBytes > maxMetaBytes)
        throw new TarError(`an entry has more than ${maxMetaBytes} bytes of extended headers`)
      const body = await metadata(source, header)
      if (header.type === 'x') local = parsePax(body)
      else if (header.type === 'g') global = merged(global, parsePax(body))
      else if (header.type === 'L') longName = withoutNul(body)
      else longLink = withoutNul(body)
      continue
    }
    const entry = describe(header, new Map([...global, ...local]), longName, longLink)
    const offset = source.position
    const end = offset + entry.size
    const content = async function* () {
      while (source.position < end) {
        const piece = await source.readSome(Math.min(end - source.position, 1 << 20))
        if (piece.length === 0) throw new TarError('it ends too early')
        yield piece
      }
    }
    yield { ...entry, offset, content }
    await source.skip(end + padding(entry.size) - source.position)
    metaBytes = 0
    local = new Map()
    longName = undefined
    longLink = undefined
  }
}

async function nextHeader(source: ByteSource): Promise<TarHeader | undefined> {
  const first = await source.readSome(blockBytes)
  if (first.length === 0) return undefined
  const missing = blockBytes - first.length
  return parseHeader(missing === 0 ? first : Buffer.concat([first, await source.read(missing)]))
}

/** Global headers hold for all that follows, so what is kept of them adds up. */
function merged(global: PaxRecords, more: PaxRecords): PaxRecords {
  const all = new Map([...global, ...more])
  if (sizeOf(all) > maxGlobalBytes)
    throw new TarError(`it has more than ${maxGlobalBytes} bytes of global headers`)
  return all
}

async function metadata(source: ByteSource, header: TarHeader): Promise<Buffer> {
  const body = Buffer.from(await source.read(header.size + padding(header.size)))
  return body.subarray(0, header.size)
}

function describe(header: TarHeader, pax: PaxRecords, longName?: string, longLink?: string) {
  const type = types.get(header.type)
  if (type === undefined) throw new TarError(`an entry has the unknown type ${JSON.stringify(header.type)}`)
  const given = (key: string) => (pax.get(key)?.length ? pax.get(key) : undefined)
  const text = (key: string) => {
    const value = given(key)
    return value && decodeName(value)
  }
  const count = (key: string, otherwise: number) => {
    const value = given(key)
    return value === undefined ? otherwise : paxNumber(value)
  }
  const size = count('size', header.size)
  if (!Number.isInteger(size)) throw new TarError('the size of an entry is a fraction')
  const [uid, gid] = [count('uid', header.uid), count('gid', header.gid)]
  if (![uid, gid].every((id) => Number.isInteger(id) && id <= mostId))
    throw new TarError('the owner of an entry is no number of 32 bits')
  return {
    type,
    name: checkedName(text('path') ?? longName ?? header.name),
    linkName: checkedName(text('linkpath') ?? longLink ?? header.linkName),
    // Links and directories have no content, even if their header gives a size.
    size: type === 'file' ? size : 0,
    mode: header.mode,
    uid,
    gid,
    mtime: count('mtime', header.mtime),
    xattrs: new Map(
      [...pax]
        .filter(([key]) => key.startsWith(xattrPrefix))
        .map(([key, value]) => [key.slice(xattrPrefix.length), value] as const),
    ),
  }
}

function checkedName(name: string): string {
  if (Buffer.byteLength(name) > maxNameBytes) throw new TarError(`a name has more than ${maxNameBytes} bytes`)
  return name
}

/** A decimal number, possibly with a fraction. Times before 1970 become 0. */
function paxNumber(bytes: Buffer): number {
  const digits = bytes.toString('latin1')
  if (!/^-?\d{1,15}(\.\d*)?$/.test(digits)) throw new TarError('a number in an extended header is malformed')
  return Math.max(Number(digits), 0)
}

function withoutNul(body: Buffer): string {
  const end = body.indexOf(0)
  return decodeName(end < 0 ? body : body.subarray(0, end))
}

const padding = (size: number): number => (blockBytes - (size % blockBytes)) % blockBytes
