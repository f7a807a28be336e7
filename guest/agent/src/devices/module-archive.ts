/** Kernel modules out of the archive that the host shares. It is opened when a module is asked for, and not kept. */
import { close, loadPackedModule, open, read, utf8Decode } from 'syscalls'
import { errnoName, openFlags } from '../system/files.ts'
import { moduleArchive } from '../system/paths.ts'
import { headerLength, indexLength, loadPlan, resolveModules } from './module-index.ts'

/** More than any index, in bytes: it is of the host, but a damaged one is not to take all memory. */
const longestIndex = 4 << 20

interface Archive {
  readonly fd: number
  readonly index: string
}

/**
 * Loads a module that the archive lists, and what it needs; one that is loaded already is fine. False when there is no archive,
 * or the module is not in it.
 *
 * @throws SysError of finit_module(2), Error for a damaged archive.
 */
export function loadFromArchive(name: string, parameters: string): boolean {
  return withArchive((archive) => loadOne(archive, name.replaceAll('-', '_'), parameters)) ?? false
}

/**
 * Loads what the kernel means by a name or an alias: all of several modules that offer the same, as modprobe(8) does. False when
 * the archive lists none.
 *
 * @throws SysError when none of them could be loaded.
 */
export function loadRequested(request: string): boolean {
  const loaded = withArchive((archive) => {
    const failures: unknown[] = []
    const names = resolveModules(archive.index, request)
    for (const name of names)
      try {
        loadOne(archive, name, '')
      } catch (error) {
        failures.push(error)
      }
    if (names.length > 0 && failures.length === names.length) throw failures[0]
    return names.length > 0
  })
  return loaded ?? false
}

function withArchive<T>(use: (archive: Archive) => T): T | undefined {
  const fd = openArchive()
  if (fd === undefined) return undefined
  try {
    const length = indexLength(readExactly(fd, headerLength))
    if (length > longestIndex) throw new Error('the index of the archive of kernel modules is too long')
    return use({ fd, index: readExactly(fd, length) })
  } finally {
    close(fd)
  }
}

function openArchive(): number | undefined {
  try {
    return open(moduleArchive, openFlags.readOnly, 0)
  } catch (error) {
    if (errnoName(error) === 'ENOENT') return undefined
    throw error
  }
}

function readExactly(fd: number, length: number): string {
  let text = ''
  for (let left = length; left > 0; ) {
    const bytes = read(fd, left)
    if (bytes === null || bytes.length === 0) throw new Error('the archive of kernel modules is cut')
    // Names and aliases are ASCII, so that no character is cut in two.
    text += utf8Decode(bytes)
    left -= bytes.length
  }
  return text
}

function loadOne({ fd, index }: Archive, name: string, parameters: string): boolean {
  const plan = loadPlan(index, name)
  for (const part of plan ?? [])
    try {
      loadPackedModule(fd, part.offset, part.size, part.name === name ? parameters : '')
    } catch (error) {
      if (errnoName(error) !== 'EEXIST') throw error
    }
  return plan !== undefined
}
