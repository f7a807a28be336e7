/**
 * Writer of `newc` cpio archives, the format the kernel unpacks as initramfs
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Output depends on nothing but the entries: owner, times
 * and inode numbers are fixed and the order is by path.
 */

/** `path` is relative, without leading or trailing slash; `mode` holds the permission bits only. */
export type CpioEntry =
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly data: Uint8Array }
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | {
      readonly kind: 'char'
      readonly path: string
      readonly mode: number
      readonly major: number
      readonly minor: number
    }

const typeBits = { file: 0o100000, directory: 0o040000, symlink: 0o120000, char: 0o020000 } as const

/** The archive. Parent directories that no entry names are added with mode 0755; the last of two equal paths wins. */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const byPath = new Map<string, CpioEntry>()
  for (const entry of entries) {
    for (const path of parents(entry.path))
      if (!byPath.has(path)) byPath.set(path, { kind: 'directory', path, mode: 0o755 })
    byPath.set(entry.path, entry)
  }
  const sorted = [...byPath.values()].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
  const parts = sorted.flatMap((entry, index) => record(entry, index + 1))
  return Buffer.concat([...parts, ...record({ kind: 'file', path: 'TRAILER!!!', mode: 0, data: empty }, 0)])
}

const empty = new Uint8Array()

/** Every directory above `path`, outermost first. */
function parents(path: string): string[] {
  const names = path.split('/').slice(0, -1)
  return names.map((_, index) => names.slice(0, index + 1).join('/'))
}

function record(entry: CpioEntry, inode: number): Uint8Array[] {
  const name = Buffer.from(`${entry.path}\0`)
  const data = body(entry)
  const permissions = entry.kind === 'symlink' ? 0o777 : entry.mode
  const device = entry.kind === 'char' ? [entry.major, entry.minor] : [0, 0]
  const isTrailer = inode === 0
  const fields = [
    inode,
    isTrailer ? 0 : typeBits[entry.kind] | permissions,
    0, // uid
    0, // gid
    entry.kind === 'directory' ? 2 : 1, // links
    0, // mtime
    data.length,
    0, // device that holds the file, major
    0, // and minor
    ...device,
    name.length,
    0, // checksum, unused in newc
  ]
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0').toUpperCase()).join('')}`
  return [padded(Buffer.concat([Buffer.from(header), name])), padded(data)]
}

function body(entry: CpioEntry): Uint8Array {
  if (entry.kind === 'file') return entry.data
  return entry.kind === 'symlink' ? Buffer.from(entry.target) : empty
}

/** Zero-filled to a multiple of four bytes, as the format wants after names and data. */
function padded(bytes: Uint8Array): Uint8Array {
  const rest = bytes.length % 4
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - rest)])
}
