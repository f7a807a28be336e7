/**
 * Whether the guest's programs find in its libraries what they ask for. The dynamic linker refuses a program of which one symbol is missing. A
 * guest would have no agent then, or would start no container: that must show when the image is built.
 */
import { KataError } from '../errors.ts'
import { type DynamicSymbol, exportedSymbols, importedSymbols } from './elf-symbols.ts'

export const libsystemd = 'libsystemd.so.0'

/**
 * Looks for what each of the files imports in the library that has to define it. A symbol without a version names no library, so it is not looked
 * for, unless it is one of libsystemd's, of which we have a stub.
 *
 * @param files programs and libraries, by the names that an error gives; libraries by their sonames.
 * @throws KataError IMAGE_SYSTEMD_SYMBOL, IMAGE_LIBRARY_SYMBOL.
 */
export function checkSymbols(files: ReadonlyMap<string, Uint8Array>): void {
  const offered = new Map<string, ReadonlySet<string>>()
  const offers = (library: string, symbol: string): boolean => {
    const data = files.get(library)
    const known = offered.get(library) ?? new Set(data && exportedSymbols(data).map(versioned))
    offered.set(library, known)
    return known.has(symbol)
  }
  for (const [program, data] of files)
    for (const imported of importedSymbols(data)) {
      const library = libraryOf(imported)
      const symbol = versioned(imported)
      if (library === undefined || offers(library, symbol)) continue
      if (library === libsystemd) throw new KataError('IMAGE_SYSTEMD_SYMBOL', { program, symbol })
      throw new KataError('IMAGE_LIBRARY_SYMBOL', { program, symbol, library })
    }
}

function libraryOf({ name, library }: DynamicSymbol): string | undefined {
  return name.startsWith('sd_') ? libsystemd : library
}

function versioned({ name, version }: DynamicSymbol): string {
  return version === undefined ? name : `${name}@${version}`
}
