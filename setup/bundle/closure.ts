/** The programs of the bundle and the libraries that they are linked with, out of unpacked packages. */
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { neededLibraries } from '../../src/guest-image/elf.ts'
import { bundleRoot } from '../../src/own-bundle.ts'
import type { Content, Contents } from '../package/contents.ts'
import { SetupError } from '../setup-error.ts'
import { ownLoader, ownProgram, ownQemu } from './elf-edit.ts'
import type { Unpacked } from './packages.ts'
import { firmware, loadedLater, programs } from './programs.ts'

const qemu = 'qemu-system-x86'
const loader = 'ld-linux-x86-64.so.2'
const libraryDirs = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu/swtpm']
const at = bundleRoot.slice(1)

export interface Closure {
  readonly contents: Contents
  /** The packages of which something is in it. */
  readonly used: readonly Unpacked[]
}

/** @throws SetupError for a program, a library or firmware that the packages do not have. */
export function closureOf(unpacked: readonly Unpacked[], executable: Uint8Array): Closure {
  const used = new Set<Unpacked>()
  const contents: Record<string, Content> = {}
  const libraries = libraryIndex(unpacked)
  const wanted = [loader, ...loadedLater, ...neededLibraries(executable)]

  const packageOf = (name: string): Unpacked => {
    const found = unpacked.find((one) => one.package.name === name)
    if (found === undefined) throw missing(name, 'the packages')
    used.add(found)
    return found
  }
  for (const [name, paths] of Object.entries(programs)) {
    const { tree } = packageOf(name)
    for (const path of paths) {
      const source = join(tree, 'usr', path)
      const target = `${at}/${path.replace(/^sbin\//, 'bin/')}`
      if (lstatSync(source, { throwIfNoEntry: false })?.isSymbolicLink()) {
        contents[target] = { linkTo: basename(readlinkSync(source)) }
        continue
      }
      if (!existsSync(source)) throw missing(path, name)
      const bytes = readFileSync(source)
      wanted.push(...neededLibraries(bytes))
      contents[target] = { bytes: name === qemu ? ownQemu(bytes) : ownProgram(bytes), mode: 0o755 }
    }
  }
  for (const [name, paths] of Object.entries(firmware)) {
    const { tree } = packageOf(name)
    for (const path of paths) {
      if (!existsSync(join(tree, 'usr/share', path))) throw missing(path, name)
      // Beside the libraries: the one directory that the jail of QEMU shows anyway.
      contents[`${at}/lib/${basename(path)}`] = { copyOf: join(tree, 'usr/share', path) }
    }
  }
  const taken = new Set(wanted)
  for (const name of taken) {
    const found = libraries.get(name)
    if (found === undefined) throw missing(name, 'the packages')
    used.add(found.from)
    const bytes = readFileSync(found.path)
    for (const needed of neededLibraries(bytes)) taken.add(needed)
    contents[`${at}/lib/${name}`] = {
      bytes: name === loader ? ownLoader(bytes) : ownProgram(bytes),
      mode: name === loader ? 0o755 : 0o644,
    }
  }
  contents[`${at}/ld.so`] = { linkTo: `lib/${loader}` }
  return { contents, used: [...used] }
}

function libraryIndex(unpacked: readonly Unpacked[]) {
  const found = new Map<string, { path: string; from: Unpacked }>()
  for (const from of unpacked)
    for (const directory of libraryDirs
      .map((path) => join(from.tree, path))
      .filter((path) => existsSync(path)))
      for (const name of readdirSync(directory).filter((name) => /\.so(\.|$)/.test(name))) {
        const path = join(directory, name)
        if (!existsSync(path) || !statSync(path).isFile()) continue
        found.set(name, { path: realpathSync(path), from })
      }
  return found
}

const missing = (what: string, where: string) =>
  new SetupError(
    `${what} is not in ${where}: Debian has it elsewhere now`,
    'mend setup/bundle/programs.ts, or build on Debian 13',
  )
