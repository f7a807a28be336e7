/**
 * What an ELF file asks of its libraries and what it offers to others: dynamic symbols with their versions (elf(5); the
 * version tables: "ELF Symbol Versioning", https://www.akkadia.org/drepper/symbol-versioning).
 */
import { type Section, sections, stringAt } from './elf.ts'

export interface DynamicSymbol {
  readonly name: string
  /** For example LIBSYSTEMD_209; undefined without one. */
  readonly version: string | undefined
  /** For an imported symbol with a version, the soname of the library that has to define it. */
  readonly library: string | undefined
}

/** sh_type. */
const types = { symbols: 11, definitions: 0x6ffffffd, needs: 0x6ffffffe, versions: 0x6fffffff } as const
/** Version indices 0 and 1 mean a local and an unversioned symbol. */
const firstVersion = 2
/** The upper bit of an index marks a version that is not the default one. */
const indexMask = 0x7fff
/** Elf64_Sym, Elf64_Verneed, Elf64_Vernaux, Elf64_Verdef, Elf64_Verdaux: bytes. */
const size = { symbol: 24, need: 16, needAux: 16, definition: 20, definitionAux: 8 } as const

/** Symbols that other files have to define. @throws ElfError. */
export function importedSymbols(bytes: Uint8Array): DynamicSymbol[] {
  return symbols(bytes, (section) => section === 0)
}

/** Symbols that the file defines. @throws ElfError. */
export function exportedSymbols(bytes: Uint8Array): DynamicSymbol[] {
  return symbols(bytes, (section) => section !== 0)
}

function symbols(bytes: Uint8Array, wanted: (section: number) => boolean): DynamicSymbol[] {
  const all = sections(bytes)
  const ofType = (type: number) => all.find((section) => section.type === type)
  const table = ofType(types.symbols)
  if (table === undefined) return []
  const strings = linked(all, table)
  const indices = ofType(types.versions)?.data ?? Buffer.alloc(0)
  const versions = new Map([
    ...definedVersions(all, ofType(types.definitions)),
    ...neededVersions(all, ofType(types.needs)),
  ])
  const found: DynamicSymbol[] = []
  // Number 0 is the empty symbol.
  for (let index = 1; (index + 1) * size.symbol <= table.data.length; index++) {
    const at = index * size.symbol
    if (!wanted(table.data.readUInt16LE(at + 6))) continue
    const versionIndex = (index + 1) * 2 <= indices.length ? indices.readUInt16LE(index * 2) & indexMask : 0
    const { version, library } = versions.get(versionIndex) ?? {}
    found.push({ name: stringAt(strings, table.data.readUInt32LE(at)), version, library })
  }
  return found
}

type Version = Pick<DynamicSymbol, 'version' | 'library'>

function* definedVersions(
  all: readonly Section[],
  section: Section | undefined,
): Iterable<[number, Version]> {
  if (section === undefined) return
  const { data } = section
  for (const at of chain(data, 0, size.definition, 16)) {
    const nameAt = at + data.readUInt32LE(at + 12)
    const index = data.readUInt16LE(at + 4) & indexMask
    // The first definition names the file itself.
    if (index < firstVersion || nameAt + size.definitionAux > data.length) continue
    yield [index, { version: stringAt(linked(all, section), data.readUInt32LE(nameAt)), library: undefined }]
  }
}

function* neededVersions(all: readonly Section[], section: Section | undefined): Iterable<[number, Version]> {
  if (section === undefined) return
  const { data } = section
  const strings = linked(all, section)
  for (const at of chain(data, 0, size.need, 12)) {
    const library = stringAt(strings, data.readUInt32LE(at + 4))
    for (const aux of chain(data, at + data.readUInt32LE(at + 8), size.needAux, 12))
      yield [
        data.readUInt16LE(aux + 6) & indexMask,
        { version: stringAt(strings, data.readUInt32LE(aux + 8)), library },
      ]
  }
}

/** Positions of a chain's entries, each of which has, at `nextAt`, the distance to the next one; 0 in the last. */
function* chain(data: Buffer, start: number, entrySize: number, nextAt: number): Iterable<number> {
  for (let at = start; at + entrySize <= data.length; ) {
    yield at
    const distance = data.readUInt32LE(at + nextAt)
    if (distance === 0) return
    at += distance
  }
}

function linked(all: readonly Section[], { link }: Section): Buffer {
  return all[link]?.data ?? Buffer.alloc(0)
}
