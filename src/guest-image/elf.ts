/**
 * Just enough ELF (elf(5), 64-bit little-endian) to find out what a program links against and what a kernel module
 * depends on, without binutils.
 */

/** Thrown for bytes that are not a 64-bit little-endian ELF file or contradict themselves. */
export class ElfError extends Error {}

/** One section with its contents. */
export interface Section {
  readonly name: string
  readonly type: number
  /** Index of the section that this one refers to: of its strings, mostly. */
  readonly link: number
  readonly data: Buffer
}

const sectionTypes = { dynamic: 6, noBits: 8 } as const
const tagNeeded = 1n

/** Sonames from DT_NEEDED, in file order; empty for a static program. @throws ElfError. */
export function neededLibraries(bytes: Uint8Array): string[] {
  const all = sections(bytes)
  const dynamic = all.find(({ type }) => type === sectionTypes.dynamic)
  if (dynamic === undefined) return []
  const strings = all[dynamic.link]?.data ?? Buffer.alloc(0)
  const names: string[] = []
  for (let at = 0; at + 16 <= dynamic.data.length; at += 16)
    if (dynamic.data.readBigInt64LE(at) === tagNeeded)
      names.push(stringAt(strings, Number(dynamic.data.readBigUInt64LE(at + 8))))
  return names
}

/** The `key=value` strings of a kernel module's .modinfo section; a key may come more than once. @throws ElfError. */
export function moduleInfo(bytes: Uint8Array): [key: string, value: string][] {
  const section = sections(bytes).find(({ name }) => name === '.modinfo')
  if (section === undefined) throw new ElfError('no .modinfo section')
  return section.data
    .toString('utf8')
    .split('\0')
    .filter((text) => text.includes('='))
    .map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)])
}

/** In file order, so that an index from the file fits. @throws ElfError. */
export function sections(bytes: Uint8Array): Section[] {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (file.length < 64 || file.toString('latin1', 0, 4) !== '\x7fELF') throw new ElfError('not an ELF file')
  if (file[4] !== 2 || file[5] !== 1) throw new ElfError('not 64-bit little-endian')
  const size = file.readUInt16LE(58)
  const count = file.readUInt16LE(60)
  if (count > 0 && size < 64) throw new ElfError('section headers are too small')
  const table = slice(file, file.readBigUInt64LE(40), BigInt(size * count))
  const raw = Array.from({ length: count }, (_, index) => {
    const header = table.subarray(index * size, index * size + size)
    const type = header.readUInt32LE(4)
    const length = type === sectionTypes.noBits ? 0n : header.readBigUInt64LE(32)
    return {
      nameAt: header.readUInt32LE(0),
      type,
      link: header.readUInt32LE(40),
      data: slice(file, length === 0n ? 0n : header.readBigUInt64LE(24), length),
    }
  })
  const names = raw[file.readUInt16LE(62)]?.data ?? Buffer.alloc(0)
  return raw.map(({ nameAt, ...rest }) => ({ name: stringAt(names, nameAt), ...rest }))
}

function slice(file: Buffer, offset: bigint, length: bigint): Buffer {
  if (offset + length > BigInt(file.length)) throw new ElfError('a part lies beyond the end of the file')
  return file.subarray(Number(offset), Number(offset + length))
}

/** The NUL-terminated string at `at`; empty beyond the end. */
export function stringAt(strings: Buffer, at: number): string {
  if (at >= strings.length) return ''
  const end = strings.indexOf(0, at)
  return strings.toString('utf8', at, end === -1 ? strings.length : end)
}
