/**
 * The guest image on disk: what `kata-ts image build` leaves in its cache, how a start finds it and how it makes sure
 * that its files are still the bytes that were built.
 *
 * Layout: `<cache>/images/<id>/{vmlinux,initrd,modules,manifest.json}`, and `<cache>/current`, a symlink to one of them that is
 * switched atomically.
 */
import { closeSync, openSync, readFileSync, readlinkSync, readSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { KataError } from '../errors.ts'
import { list, needed, record } from '../json/compounds.ts'
import { readText } from '../json/document.ts'
import { JsonMismatch } from '../json/place.ts'
import { number, type Reader, text, uint64 } from '../json/values.ts'

/** Where images are kept unless a caller says otherwise. */
export const defaultCacheDir = '/var/cache/kata-ts'

/** One file of the image as it was built. */
export interface ImageFile {
  /** Name inside the image's directory. */
  readonly file: string
  /** Lower-case hex. */
  readonly sha256: string
  /** Bytes. */
  readonly size: number
}

/** A Debian package that went into the image. */
export interface ImagePackage {
  readonly name: string
  readonly version: string
  readonly sha256: string
}

export interface ImageManifest {
  readonly id: string
  /** Version of the recipe, raised whenever the same packages would give other bytes. */
  readonly recipe: number
  readonly kernel: ImageFile
  readonly initrd: ImageFile
  /** Kernel modules beyond those of the initrd. Absent in images that were built before there were any. */
  readonly modules?: ImageFile
  /** Modules that the build was asked for beyond its own list. */
  readonly kernelModules?: readonly string[]
  /** `uname -r` of the guest. */
  readonly kernelRelease: string
  readonly agentSha256: string
  /** Absent in images that were built before it was written down. */
  readonly agentVersion?: string
  readonly packages: readonly ImagePackage[]
  /** ISO 8601; the only field that does not follow from the inputs. */
  readonly builtAt: string
}

export interface GuestImage {
  readonly id: string
  readonly dir: string
  /** Absolute path of the uncompressed kernel. */
  readonly kernel: string
  /** Absolute path of the initrd. */
  readonly initrd: string
  /** Absolute path of the further kernel modules, if the image has any. */
  readonly modules?: string
  readonly manifest: ImageManifest
}

/**
 * The current image of a cache, or undefined when none was built. The symlink is resolved once, so that kernel and
 * initrd always belong together even if a build switches it meanwhile.
 *
 * @throws KataError IMAGE_MANIFEST_CORRUPT.
 */
export function findImage(cacheDir: string = defaultCacheDir): GuestImage | undefined {
  const target = linkTarget(join(cacheDir, 'current'))
  return target === undefined ? undefined : loadImage(resolve(cacheDir, target))
}

/** {@link findImage}, for callers that cannot go on without. @throws KataError IMAGE_MISSING, IMAGE_MANIFEST_CORRUPT. */
export function requireImage(cacheDir: string = defaultCacheDir): GuestImage {
  const image = findImage(cacheDir)
  if (image === undefined) throw new KataError('IMAGE_MISSING', { cacheDir })
  return image
}

/** The image in directory `dir`, or undefined when there is none. @throws KataError IMAGE_MANIFEST_CORRUPT. */
export function loadImage(dir: string): GuestImage | undefined {
  const path = join(dir, 'manifest.json')
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
  const manifest = parseManifest(text, path)
  return {
    id: manifest.id,
    dir,
    kernel: join(dir, manifest.kernel.file),
    initrd: join(dir, manifest.initrd.file),
    ...(manifest.modules && { modules: join(dir, manifest.modules.file) }),
    manifest,
  }
}

/**
 * Compares kernel, initrd and modules with the recorded size and SHA-256. A child hashes them (about 40 ms with SHA
 * instructions), so the caller can do other start work meanwhile.
 *
 * @throws KataError IMAGE_FILE_MISSING, IMAGE_CHECKSUM_MISMATCH, IMAGE_TOOL_FAILED.
 */
export async function verifyImage(image: GuestImage, options: { signal?: AbortSignal } = {}): Promise<void> {
  const files = [
    { what: 'kernel', path: image.kernel, recorded: image.manifest.kernel },
    { what: 'initrd', path: image.initrd, recorded: image.manifest.initrd },
    ...(image.modules && image.manifest.modules
      ? [{ what: 'modules', path: image.modules, recorded: image.manifest.modules }]
      : []),
  ]
  for (const { what, path, recorded } of files) {
    const size = sizeOf(what, path)
    if (size !== recorded.size) throw mismatch(path, `${size} bytes`, `${recorded.size} bytes`)
  }
  const sums = await sha256Of(
    files.map(({ path }) => path),
    options.signal,
  )
  for (const [index, { path, recorded }] of files.entries()) {
    const actual = sums[index] ?? 'no sum'
    if (actual !== recorded.sha256) throw mismatch(path, `SHA-256 ${actual}`, `SHA-256 ${recorded.sha256}`)
  }
}

/**
 * A configured kernel without a known checksum: it must at least be an ELF file with the PVH
 * entry note, which is what `-kernel` needs for a direct start.
 *
 * @throws KataError IMAGE_FILE_MISSING, IMAGE_KERNEL_FORMAT.
 */
export function checkKernel(path: string): void {
  const fault = withFile('kernel', path, pvhFault)
  if (fault !== undefined) throw new KataError('IMAGE_KERNEL_FORMAT', { path, reason: fault })
}

/** An initrd that the configuration names: newc cpio, plain or compressed. @throws KataError IMAGE_FILE_MISSING, IMAGE_INITRD_FORMAT. */
export function checkInitrd(path: string): void {
  const head = withFile('initrd', path, (fd) => readAt(fd, 0, 6).toString('hex'))
  if (initrdMagics.some((magic) => head.startsWith(magic))) return
  throw new KataError('IMAGE_INITRD_FORMAT', { path, reason: `it starts with bytes ${head || '(none)'}` })
}

/** First bytes of newc cpio (with and without checksum), gzip, zstd, xz and lz4 as the kernel unpacks it (init/initramfs.c). */
const initrdMagics = ['303730373031', '303730373032', '1f8b', '28b52ffd', 'fd377a585a00', '02214c18']

function mismatch(path: string, actual: string, expected: string): KataError {
  return new KataError('IMAGE_CHECKSUM_MISMATCH', { path, actual, expected })
}

async function sha256Of(paths: readonly string[], signal?: AbortSignal): Promise<string[]> {
  signal?.throwIfAborted()
  const child = Bun.spawn(['/usr/bin/sha256sum', '--', ...paths], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: 60_000,
    ...(signal === undefined ? {} : { signal }),
  })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  signal?.throwIfAborted()
  if (code !== 0)
    throw new KataError('IMAGE_TOOL_FAILED', {
      tool: 'sha256sum',
      reason: stderr.trim() || `exit code ${code}`,
    })
  // A name with a backslash or newline makes sha256sum put a backslash before the sum.
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^\\/, '').slice(0, 64))
}

/** The defect of the file as a PVH kernel, or undefined. Offsets: elf(5); the note: xen/include/public/elfnote.h, number 18. */
function pvhFault(fd: number): string | undefined {
  const header = readAt(fd, 0, 64)
  if (header.length < 64 || header.toString('latin1', 0, 4) !== '\x7fELF') return 'it is not an ELF file'
  if (header[4] !== 2 || header.readUInt16LE(18) !== 62) return 'it is not for x86-64'
  const entrySize = header.readUInt16LE(54)
  const table = readAt(fd, Number(header.readBigUInt64LE(32)), entrySize * header.readUInt16LE(56))
  for (let at = 0; entrySize >= 56 && at + 56 <= table.length; at += entrySize) {
    if (table.readUInt32LE(at) !== 4) continue
    const size = Math.min(Number(table.readBigUInt64LE(at + 32)), 65536)
    if (holdsPvhNote(readAt(fd, Number(table.readBigUInt64LE(at + 8)), size))) return undefined
  }
  return 'it has no PVH entry note'
}

function holdsPvhNote(notes: Buffer): boolean {
  for (let at = 0; at + 12 <= notes.length; ) {
    const nameSize = notes.readUInt32LE(at)
    const name = notes.toString('latin1', at + 12, at + 12 + nameSize)
    if (name === 'Xen\0' && notes.readUInt32LE(at + 8) === 18) return true
    at += 12 + align4(nameSize) + align4(notes.readUInt32LE(at + 4))
  }
  return false
}

const align4 = (value: number) => Math.ceil(value / 4) * 4

function withFile<T>(what: string, path: string, use: (fd: number) => T): T {
  sizeOf(what, path)
  const fd = openSync(path, 'r')
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

/** Up to `length` bytes at `offset`: fewer when the file ends before. An offset beyond any file gives none. */
function readAt(fd: number, offset: number, length: number): Buffer {
  const buffer = Buffer.alloc(length)
  if (!Number.isSafeInteger(offset) || length === 0) return Buffer.alloc(0)
  return buffer.subarray(0, readSync(fd, buffer, 0, length, offset))
}

/** Size in bytes of a regular file. @throws KataError IMAGE_FILE_MISSING. */
function sizeOf(what: string, path: string): number {
  let reason = 'it is not a regular file'
  try {
    const stat = statSync(path)
    if (stat.isFile()) return stat.size
  } catch (error) {
    reason = (error as NodeJS.ErrnoException).code ?? String(error)
  }
  throw new KataError('IMAGE_FILE_MISSING', { what, path, reason })
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

/** A text of a form, described in words. */
const textLike =
  (form: RegExp, expected: string): Reader<string> =>
  (value, at) => {
    const read = text(value, at)
    if (!form.test(read)) throw at.wrong(value, expected, 'another text')
    return read
  }

const imageFile = record<ImageFile>({
  // It stays inside the directory of the image.
  file: needed(textLike(/^[\w.-]+$/, 'the name of a file')),
  sha256: needed(textLike(/^[0-9a-f]{64}$/, 'a SHA-256 sum')),
  size: needed(uint64),
})

const imageManifest = record<ImageManifest>({
  id: needed(text),
  recipe: needed(number),
  kernel: needed(imageFile),
  initrd: needed(imageFile),
  modules: imageFile,
  kernelModules: list(text),
  kernelRelease: needed(text),
  agentSha256: needed(text),
  agentVersion: text,
  packages: needed(
    list(record<ImagePackage>({ name: needed(text), version: needed(text), sha256: needed(text) })),
  ),
  builtAt: needed(text),
})

/** @throws KataError IMAGE_MANIFEST_CORRUPT unless every field has its type and files stay inside the directory. */
export function parseManifest(json: string, path: string): ImageManifest {
  try {
    return readText(imageManifest, json)
  } catch (cause) {
    if (!(cause instanceof JsonMismatch)) throw cause
    throw new KataError('IMAGE_MANIFEST_CORRUPT', { path, reason: cause.message }, { cause })
  }
}
