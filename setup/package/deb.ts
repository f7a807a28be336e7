/** A tree of files as a Debian package, the same bytes for the same contents: dpkg-deb(1). */
import { lutimesSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { mustRunTool, type ToolContext } from '../../src/guest-image/child.ts'
import type { Contents } from './contents.ts'
import { put, writeTree } from './tree.ts'

export interface Deb {
  readonly contents: Contents
  readonly control: (installedKib: number) => string
  /** Maintainer scripts by name. */
  readonly scripts: Readonly<Record<string, string>>
  /** Seconds since 1970. */
  readonly epoch: number
  readonly compression: Compression
}

/** zstd is a third of xz's work for a tenth more bytes here, and dpkg reads it since Debian 12. */
export type Compression = 'zstd' | 'none'

/** Writes `file`; `tree` is a directory to work in, which is made and left. */
export async function writeDeb(file: string, tree: string, deb: Deb, tools: ToolContext): Promise<void> {
  writeTree(tree, deb.contents)
  const sums = checksums(tree)
  const installed = kibOf(tree)
  const meta = {
    control: deb.control(installed),
    md5sums: sums,
    conffiles: Object.keys(deb.contents)
      .filter((path) => path.startsWith('etc/'))
      .map((path) => `/${path}\n`)
      .join(''),
  }
  for (const [name, text] of Object.entries(meta)) put(join(tree, 'DEBIAN', name), { bytes: text })
  for (const [name, text] of Object.entries(deb.scripts))
    put(join(tree, 'DEBIAN', name), { bytes: text, mode: 0o755 })
  // A date of files that is younger than the package's would be cut to it, an older one would stay.
  for (const path of [...below(tree), tree]) lutimesSync(path, deb.epoch, deb.epoch)
  await mustRunTool(
    [
      'dpkg-deb',
      ...['--root-owner-group', '--threads-max=1', `-Z${deb.compression}`],
      ...(deb.compression === 'zstd' ? ['-z12'] : []),
      ...['--build', tree, file],
    ],
    file,
    { env: { ...tools.env, SOURCE_DATE_EPOCH: String(deb.epoch), LC_ALL: 'C' }, timeout: 20 * 60_000 },
  )
}

/** Every path below a directory, what a directory holds before it. */
function below(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(directory, entry.name)
      return entry.isDirectory() ? [...below(path), path] : [path]
    })
    .sort()
    .reverse()
}

function files(tree: string): string[] {
  return readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

/** As deb-md5sums(5) wants them. */
function checksums(tree: string): string {
  return files(tree)
    .map((path) => {
      const sum = new Bun.CryptoHasher('md5').update(readFileSync(path)).digest('hex')
      return `${sum}  ${path.slice(tree.length + 1)}\n`
    })
    .join('')
}

/** As deb-substvars(5) counts Installed-Size: whole KiB of each file, and one for anything else. */
function kibOf(tree: string): number {
  const all = readdirSync(tree, { recursive: true, withFileTypes: true })
  return all.reduce((sum, entry) => {
    const bytes = entry.isFile() ? readFileSync(join(entry.parentPath, entry.name)).length : 1
    return sum + Math.ceil(bytes / 1024)
  }, 1)
}
