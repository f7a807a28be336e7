/** Debian packages as files: resolved and downloaded by apt (which checks the archive's signatures), never installed. */
import { readdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { KataError } from '../errors.ts'
import { isDiskFull, lastLine, runTool, type ToolContext } from './child.ts'

/** A package file that the archive offers. */
export interface PackageFile {
  readonly name: string
  readonly version: string
  /** File name as `apt-get download` writes it. */
  readonly file: string
  /** Bytes. */
  readonly size: number
  readonly sha256: string
}

/** Without this, apt warns that its unprivileged user cannot write to a directory that only root may enter. */
export const asRoot = ['-o', 'APT::Sandbox::User=root'] as const
/** apt tells the strongest sum of its lists, and those of some mirrors have SHA-512, too. */
const sha256Only = ['-o', 'Acquire::ForceHash=SHA256'] as const
const queryTimeout = 60_000
const downloadTimeout = 15 * 60_000

/**
 * Fetches the package lists once. @throws KataError IMAGE_PACKAGES_UNREACHABLE, IMAGE_DISK_FULL.
 */
export async function aptUpdate(options: ToolContext): Promise<void> {
  const { stderr, code } = await runTool(
    ['apt-get', ...asRoot, '-q', '-o', 'APT::Update::Error-Mode=any', 'update'],
    { ...options, timeout: downloadTimeout },
  )
  if (code !== 0) throw downloadError(stderr, '/var/lib/apt/lists')
}

/**
 * What the archive offers for the packages `names` now, sorted by name.
 *
 * @throws KataError IMAGE_PACKAGE_UNKNOWN when apt's lists do not hold one.
 */
export async function resolvePackages(
  names: readonly string[],
  options: ToolContext,
): Promise<PackageFile[]> {
  const { stdout, stderr, code } = await runTool(
    ['apt-get', ...asRoot, ...sha256Only, 'download', '--print-uris', ...names],
    { ...options, timeout: queryTimeout },
  )
  if (code !== 0) throw unknownPackage(names.join(', '), stderr)
  const found = parseUris(stdout)
  for (const name of names)
    if (!found.some((file) => file.name === name)) throw unknownPackage(name, 'no file with a SHA-256')
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** The package that metapackage `name` stands for: its first dependency that `pattern` matches. @throws KataError IMAGE_PACKAGE_UNKNOWN. */
export async function dependencyOf(name: string, pattern: RegExp, options: ToolContext): Promise<string> {
  const { stdout, stderr } = await runTool(['apt-cache', 'depends', name], {
    ...options,
    timeout: queryTimeout,
  })
  const dependencies = [...stdout.matchAll(/^[\s|]*Depends: (\S+)$/gm)].map((match) => match[1] ?? '')
  const found = dependencies.find((dependency) => pattern.test(dependency))
  if (found === undefined) throw unknownPackage(name, stderr)
  return found
}

function unknownPackage(name: string, stderr: string): KataError {
  return new KataError('IMAGE_PACKAGE_UNKNOWN', { name, reason: lastLine(stderr) || 'not in its lists' })
}

/** Lines of `apt-get download --print-uris`: `'URI' NAME_VERSION_ARCH.deb SIZE SHA256:HEX`, with `:` of a version as %3a. */
export function parseUris(text: string): PackageFile[] {
  const line = /^'[^']*' (([^_\s/]+)_([^_\s/]+)_[^_\s/]+\.deb) (\d+) SHA256:([0-9a-f]{64})$/gm
  return [...text.matchAll(line)].map(([, file = '', name = '', version = '', size, sha256 = '']) => ({
    name,
    version: version.replaceAll('%3a', ':'),
    file,
    size: Number(size),
    sha256,
  }))
}

/**
 * Puts every package file into `dir`, downloading through the empty directory `scratch` what is not there yet intact.
 *
 * @throws KataError IMAGE_PACKAGES_UNREACHABLE, IMAGE_DISK_FULL.
 */
export async function downloadPackages(
  packages: readonly PackageFile[],
  dir: string,
  scratch: string,
  options: ToolContext & { onProgress(fraction: number): void },
): Promise<void> {
  const missing = packages.filter((file) => !isIntact(join(dir, file.file), file))
  if (missing.length === 0) return
  const total = missing.reduce((sum, { size }) => sum + size, 0)
  const watch = setInterval(() => options.onProgress(directorySize(scratch) / total), 200)
  try {
    const exact = missing.map(({ name, version }) => `${name}=${version}`)
    const { stderr, code } = await runTool(['apt-get', ...asRoot, '-q', 'download', ...exact], {
      signal: options.signal,
      env: options.env,
      cwd: scratch,
      timeout: downloadTimeout,
    })
    if (code !== 0) throw downloadError(stderr, scratch)
  } finally {
    clearInterval(watch)
  }
  for (const file of missing) {
    const path = join(scratch, file.file)
    if (!isIntact(path, file)) throw downloadError(`${file.file} is not what the lists announce`, scratch)
    renameSync(path, join(dir, file.file))
  }
}

/** What apt's words about a failed download or installation mean. */
export function downloadError(stderr: string, path: string): KataError {
  if (isDiskFull(stderr)) return new KataError('IMAGE_DISK_FULL', { path })
  // apt's first `E:` line names the file and the reason; the last one is only a summary.
  const reason = stderr.split('\n').find((line) => line.startsWith('E: ')) ?? lastLine(stderr)
  return new KataError('IMAGE_PACKAGES_UNREACHABLE', { reason: reason.replace(/^E: /, '') })
}

function isIntact(path: string, { size, sha256 }: PackageFile): boolean {
  if (statSync(path, { throwIfNoEntry: false })?.size !== size) return false
  return new Bun.CryptoHasher('sha256').update(readFileSync(path)).digest('hex') === sha256
}

function directorySize(dir: string): number {
  const sizes = readdirSync(dir).map(
    (name) => statSync(join(dir, name), { throwIfNoEntry: false })?.size ?? 0,
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
