/**
 * Makes programs of Debian find their loader and libraries in the bundle, and nowhere else. Each edit overwrites a string by one that is
 * not longer, so that nothing else in the file moves: Bun's executables cannot be laid out anew (patchelf breaks them), and what is not
 * edited stays Debian's byte for byte.
 */
import { ElfError, sections, stringAt } from '../../src/guest-image/elf.ts'
import { bundleRoot } from '../../src/own-bundle.ts'

/** Where every program of the bundle finds the loader: no longer than Debian's `/lib64/ld-linux-x86-64.so.2`. */
const loaderPath = `${bundleRoot}/ld.so`
/** The one directory of libraries. */
const libraryDir = `${bundleRoot}/lib`

/** As Debian's glibc has them, with a slash at the end, and those that hold our path. */
const searched = ['/lib/x86_64-linux-gnu/', '/usr/lib/x86_64-linux-gnu/']
/** The others, too short for our path, become the root directory, in which no system keeps libraries. */
const shortSearched = ['/lib/', '/usr/lib/']
/** Files of the host that would bring its libraries in: they become names of nothing. */
const hostFiles = ['/etc/ld.so.cache', '/etc/ld.so.preload']

/** One of the directories in which Debian's QEMU looks for firmware; ours is no longer. The others stay, and are not in its jail. */
const firmwareDir = '/usr/share/seabios'

/** DT_RPATH and DT_RUNPATH. */
const pathTags = [15n, 29n]

/** A loader that looks for libraries in {@link libraryDir} alone. @throws ElfError when it is not laid out as Debian's is. */
export function ownLoader(loader: Uint8Array): Uint8Array {
  const edited = Buffer.from(loader)
  const list = [...searched, ...shortSearched].map((path) => `${path}\0`).join('')
  const ours = [
    ...searched.map((path) => slashed(libraryDir, path)),
    ...shortSearched.map((path) => slashed('', path)),
  ]
  overwrite(edited, `\0${list}`, `\0${ours.map((path) => `${path}\0`).join('')}`)
  for (const path of hostFiles) overwrite(edited, `\0${path}\0`, '\0'.repeat(path.length + 2))
  return edited
}

/** The same length, filled up with slashes, which mean no more than one. */
const slashed = (path: string, like: string) => path.padEnd(like.length, '/')

function overwrite(bytes: Buffer, from: string, to: string): void {
  let at = bytes.indexOf(from, 0, 'latin1')
  if (at === -1) throw new ElfError(`it does not have ${JSON.stringify(from)}`)
  for (; at !== -1; at = bytes.indexOf(from, at + 1, 'latin1')) bytes.write(to, at, 'latin1')
}

/**
 * A program that is started by {@link loaderPath}, or a library; without directories of its own for libraries.
 *
 * @throws ElfError for a loader that is not glibc's on x86-64.
 */
export function ownProgram(program: Uint8Array): Uint8Array {
  const edited = Buffer.from(program)
  const all = sections(edited)
  // Views of the file's own bytes.
  const interpreter = all.find(({ name }) => name === '.interp')?.data
  if (interpreter !== undefined) {
    if (stringAt(interpreter, 0) !== '/lib64/ld-linux-x86-64.so.2')
      throw new ElfError(`its loader is ${stringAt(interpreter, 0)}`)
    fill(interpreter, 0, interpreter.length, loaderPath)
  }
  const dynamic = all.find(({ name }) => name === '.dynamic')
  const strings = dynamic && all[dynamic.link]?.data
  if (dynamic === undefined || strings === undefined) return edited
  for (let at = 0; at + 16 <= dynamic.data.length; at += 16) {
    if (!pathTags.includes(dynamic.data.readBigInt64LE(at))) continue
    const stringAtOffset = Number(dynamic.data.readBigUInt64LE(at + 8))
    fill(strings, stringAtOffset, stringAt(strings, stringAtOffset).length, libraryDir)
  }
  return edited
}

/**
 * A QEMU that finds its firmware in {@link libraryDir}, which its jail shows already. It cannot find it by its own place, because the jail
 * has no /proc that would tell that.
 *
 * @throws ElfError for one that is not Debian's.
 */
export function ownQemu(qemu: Uint8Array): Uint8Array {
  const edited = Buffer.from(ownProgram(qemu))
  overwrite(edited, `\0${firmwareDir}\0`, `\0${libraryDir.padEnd(firmwareDir.length, '\0')}\0`)
  return edited
}

function fill(bytes: Buffer, at: number, room: number, text: string): void {
  if (text.length > room) throw new ElfError(`there is no room for ${text}`)
  bytes.fill(0, at, at + room)
  bytes.write(text, at, 'latin1')
}
