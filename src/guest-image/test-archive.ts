/**
 * A tiny Debian archive for tests: real .deb files with made-up contents, and an `apt-get` and `apt-cache` that serve
 * them, so that the whole build runs without a network.
 */
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A 64-bit ELF file with the given sections, enough for the readers under test. */
function fakeElf(options: {
  sections?: readonly { name: string; type: number; data: Uint8Array; link?: number }[]
  /** Contents of a PT_NOTE segment. */
  note?: Uint8Array
}): Buffer {
  const { sections = [], note } = options
  const names = Buffer.from(`\0${sections.map(({ name }) => `${name}\0`).join('')}.shstrtab\0`)
  const all = [...sections, { name: '.shstrtab', type: 3, data: names }]
  const parts: Buffer[] = [Buffer.alloc(64), Buffer.alloc(note === undefined ? 0 : 56)]
  const place = (data: Uint8Array) => {
    const at = parts.reduce((sum, part) => sum + part.length, 0)
    parts.push(Buffer.from(data))
    return BigInt(at)
  }
  const header = parts[0]!
  header.write('\x7fELF\x02\x01\x01', 'latin1')
  header.writeUInt16LE(62, 18)
  if (note !== undefined) {
    const segment = parts[1]!
    header.writeBigUInt64LE(64n, 32)
    header.writeUInt16LE(56, 54)
    header.writeUInt16LE(1, 56)
    segment.writeUInt32LE(4, 0)
    segment.writeBigUInt64LE(BigInt(note.length), 32)
    segment.writeBigUInt64LE(place(note), 8)
  }
  const table = Buffer.alloc(64 * (all.length + 1))
  let nameAt = 1
  for (const [index, section] of all.entries()) {
    const at = 64 * (index + 1)
    table.writeUInt32LE(nameAt, at)
    table.writeUInt32LE(section.type, at + 4)
    table.writeBigUInt64LE(place(section.data), at + 24)
    table.writeBigUInt64LE(BigInt(section.data.length), at + 32)
    table.writeUInt32LE('link' in section ? (section.link ?? 0) : 0, at + 40)
    nameAt += section.name.length + 1
  }
  header.writeBigUInt64LE(place(table), 40)
  header.writeUInt16LE(64, 58)
  header.writeUInt16LE(all.length + 1, 60)
  header.writeUInt16LE(all.length, 62)
  return Buffer.concat(parts)
}

/** A program or library that needs `libraries`. */
export function fakeProgram(libraries: readonly string[]): Buffer {
  const strings = Buffer.from(`\0${libraries.map((name) => `${name}\0`).join('')}`)
  const dynamic = Buffer.alloc(16 * (libraries.length + 1))
  for (const [index, name] of libraries.entries()) {
    dynamic.writeBigInt64LE(1n, index * 16)
    dynamic.writeBigUInt64LE(BigInt(strings.indexOf(`\0${name}\0`) + 1), index * 16 + 8)
  }
  // Section 0 is the empty one, so .dynstr is number 1.
  return fakeElf({
    sections: [
      { name: '.dynstr', type: 3, data: strings },
      { name: '.dynamic', type: 6, data: dynamic, link: 1 },
    ],
  })
}

/** A kernel module that depends on `depends`. */
export function fakeModule(depends: readonly string[]): Buffer {
  const data = Buffer.from(`license=GPL\0depends=${depends.join(',')}\0`)
  return fakeElf({ sections: [{ name: '.modinfo', type: 1, data }] })
}

/** A kernel with the PVH note and `size` bytes of padding. */
export function fakeVmlinux(size = 1000): Buffer {
  const note = Buffer.from('\x04\0\0\0\x04\0\0\0\x12\0\0\0Xen\0\0\0\0\x01', 'latin1')
  return Buffer.concat([fakeElf({ note }), Buffer.alloc(size, 7)])
}

/** A bzImage that holds `vmlinux`. */
export function fakeBzImage(vmlinux: Uint8Array): Buffer {
  const payload = Bun.zstdCompressSync(vmlinux)
  const head = Buffer.alloc(2 * 512 + 100)
  head[0x1f1] = 1
  head.write('HdrS', 0x202, 'latin1')
  head.writeUInt32LE(100, 0x248)
  head.writeUInt32LE(payload.length + 4, 0x24c)
  const size = Buffer.alloc(4)
  size.writeUInt32LE(vmlinux.length)
  return Buffer.concat([head, payload, size])
}

export interface FakeArchive {
  readonly env: Record<string, string>
  /** What apt was asked to do, one command a line. */
  log(): string
}

const release = '6.99.0-cloud-amd64'
const modules: Record<string, readonly string[]> = {
  vsock: [],
  'vmw-vsock-virtio-transport': ['vsock', 'virtio_ring'],
  virtio_mmio: [],
  virtio_blk: [],
  virtio_scsi: [],
  sd_mod: [],
  failover: [],
  virtio_net: ['failover'],
  tcp_diag: ['inet_diag'],
  inet_diag: [],
  virtio_balloon: [],
  virtio_mem: [],
  overlay: [],
  erofs: [],
}

/**
 * Makes the archive in `dir`. Packages hold what the recipe looks for; `without` leaves one path out of them, `crun`
 * takes the place of the made-up one.
 * The scripts obey files in `dir`: `offline` (no download), `no-lists` (nothing known until update).
 */
export function makeArchive(dir: string, options: { without?: string; crun?: Uint8Array } = {}): FakeArchive {
  const lib = 'usr/lib/x86_64-linux-gnu'
  const moduleDir = `usr/lib/modules/${release}`
  const contents: Record<string, Record<string, Uint8Array | string>> = {
    [`linux-image-${release}`]: {
      [`boot/vmlinuz-${release}`]: fakeBzImage(fakeVmlinux()),
      [`${moduleDir}/modules.builtin`]: 'kernel/drivers/virtio/virtio_ring.ko\n',
      ...Object.fromEntries(
        Object.entries(modules).map(([name, depends]) => [
          `${moduleDir}/kernel/${name}.ko.xz`,
          xz(fakeModule(depends)),
        ]),
      ),
    },
    crun: {
      'usr/bin/crun': options.crun ?? fakeProgram(['libsystemd.so.0', 'libcap.so.2', 'libc.so.6']),
    },
    libc6: {
      [`${lib}/libc.so.6`]: fakeProgram(['ld-linux-x86-64.so.2']),
      [`${lib}/ld-linux-x86-64.so.2`]: fakeProgram([]),
    },
    libcap2: { [`${lib}/libcap.so.2.75`]: fakeProgram(['libc.so.6']) },
    libseccomp2: {},
    libyajl2: {},
  }
  mkdirSync(join(dir, 'pool'), { recursive: true })
  const uris = Object.entries(contents).map(([name, files]) => {
    const kept = Object.entries(files).filter(([path]) => path !== options.without)
    return debPackage(dir, name, Object.fromEntries(kept))
  })
  writeFileSync(join(dir, 'uris'), uris.join(''))
  writeScripts(dir)
  return {
    env: { PATH: `${join(dir, 'bin')}:${process.env.PATH}`, ARCHIVE: dir },
    log: () => readFileSync(join(dir, 'log'), 'utf8'),
  }
}

function xz(data: Uint8Array): Uint8Array {
  return Bun.spawnSync(['xz', '-c'], { stdin: data }).stdout
}

/** Builds a .deb and returns its line of `--print-uris`. */
function debPackage(dir: string, name: string, files: Record<string, Uint8Array | string>): string {
  const tree = join(dir, 'src', name)
  const put = (path: string, data: Uint8Array | string) => {
    mkdirSync(dirname(join(tree, path)), { recursive: true })
    writeFileSync(join(tree, path), data)
  }
  put(
    'DEBIAN/control',
    `Package: ${name}\nVersion: 1:1.0\nArchitecture: amd64\nMaintainer: nobody <n@example.org>\nDescription: test\n`,
  )
  for (const [path, data] of Object.entries(files)) {
    put(path, data)
    if (path.endsWith('.so.2.75')) symlinkSync('libcap.so.2.75', join(tree, path.slice(0, -3)))
  }
  const file = `${name}_1%3a1.0_amd64.deb`
  const path = join(dir, 'pool', file)
  Bun.spawnSync(['dpkg-deb', '-Znone', '--root-owner-group', '--build', tree, path], { stdout: 'ignore' })
  const sum = new Bun.CryptoHasher('sha256').update(readFileSync(path)).digest('hex')
  return `'http://archive.example/${name}.deb' ${file} ${statSync(path).size} SHA256:${sum}\n`
}

function writeScripts(dir: string): void {
  const script = (name: string, body: string) => {
    const path = join(dir, 'bin', name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, `#!/bin/sh\necho "${name} $*" >>"$ARCHIVE/log"\n${body}`)
    chmodSync(path, 0o755)
  }
  script(
    'apt-cache',
    `[ -e "$ARCHIVE/no-lists" ] && { echo 'E: No packages found' >&2; exit 100; }\necho '  Depends: linux-image-${release}'\n`,
  )
  script(
    'apt-get',
    `case "$*" in
  *print-uris*) cat "$ARCHIVE/uris" ;;
  *update*)
    [ -e "$ARCHIVE/offline" ] && { echo 'E: Failed to fetch http://archive.example  Could not resolve host' >&2; exit 100; }
    rm -f "$ARCHIVE/no-lists" ;;
  *download*)
    [ -e "$ARCHIVE/offline" ] && { echo 'E: Failed to fetch http://archive.example  Could not resolve host' >&2; exit 100; }
    cp "$ARCHIVE"/pool/* . ;;
esac
`,
  )
}
