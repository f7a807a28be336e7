/** Files of a container for the host: what its `tar` sends is a stream that may say anything. */
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join, posix, resolve } from 'node:path'
import { KataError } from '../../../errors.ts'
import { type UnpackedCopy, unpackCopy } from '../../../images/unpack-copy.ts'
import { closing, O_PATH } from '../../../linux/files/open-at.ts'
import { emptyTree } from '../../../linux/files/remove-tree.ts'
import type { ByteSink } from '../output.ts'
import type { ContainerTar } from './container-tar.ts'

/**
 * The whole tar of the path, for `cp NAME:PATH -`. A reader that leaves earlier ends it, which is no failure.
 *
 * @throws KataError COPY_FAILED.
 */
export async function sendTar(tar: ContainerTar, path: string, output: ByteSink): Promise<void> {
  let hasLeft = false
  const write = (chunk: Uint8Array) =>
    output.write(chunk).catch((error: NodeJS.ErrnoException) => {
      hasLeft = error.code === 'EPIPE'
      throw error
    })
  try {
    await tar.run(packCommand(path), { output: { write } })
  } catch (error) {
    // The container's tar was ended by that.
    if (!hasLeft) throw error
  }
}

/**
 * Copies to a path that is not there, into a directory that is, or over a file. Returns the names of what was left out.
 *
 * @throws KataError COPY_UNSAFE, COPY_TARGET, COPY_FAILED; then nothing was copied.
 */
export async function copyFrom(
  tar: ContainerTar,
  path: string,
  destination: string,
): Promise<readonly string[]> {
  const plan = planOf(path, destination)
  const into = openTarget(plan.into)
  try {
    return await copyInto(tar, path, { ...plan, open: `/proc/self/fd/${into}` })
  } finally {
    closeSync(into)
  }
}

interface Plan {
  /** The directory that it goes into. */
  readonly into: string
  /** The one name that the stream has at its top, and the one that it gets; undefined: all that is in a directory. */
  readonly one: { readonly name: string; readonly newName: string } | undefined
}

interface OpenPlan extends Plan {
  /** The directory again, by its descriptor: it may be another user's, who can put anything in the place of a path. */
  readonly open: string
}

function openTarget(path: string): number {
  try {
    return openSync(path, O_PATH | constants.O_DIRECTORY)
  } catch (cause) {
    throw notThere(path, cause)
  }
}

/** First into a directory of our own beside the target, which is on the same file system. */
async function copyInto(tar: ContainerTar, path: string, plan: OpenPlan): Promise<readonly string[]> {
  const directory = makeDirectory(plan)
  try {
    return await closingAsync(openOwn(directory, plan), async (fd) => {
      // With the dot it is the directory, and not a link to it.
      const own = `/proc/self/fd/${fd}/.`
      try {
        const copy = await receive(tar, path, own)
        place(own, copy, plan)
        return copy.leftOut
      } finally {
        await emptyTree(fd).catch((error) => tar.log.warn('a rest of a copy', { in: plan.into, error }))
      }
    })
  } finally {
    removeEmpty(directory)
  }
}

/** By its path only when nothing is in it: that may lead to a directory of somebody else's by now. */
function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory)
  } catch {
    // What was in it, and could not be removed, was told.
  }
}

function makeDirectory({ open, into }: OpenPlan): string {
  try {
    return mkdtempSync(`${open}/.kata-ts-copy-`)
  } catch (cause) {
    throw notThere(into, cause)
  }
}

/** A user who can change the target may have replaced our directory by another one, which is then made ours, or refused for what is in it. */
function openOwn(directory: string, { into }: OpenPlan): number {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    const { uid, gid, mode } = fstatSync(fd)
    const self = process.getuid?.() ?? 0
    if (uid !== self || (mode & 0o777) !== 0o700) {
      fchownSync(fd, self, gid)
      fchmodSync(fd, (mode & 0o2000) | 0o700)
    }
    if (readdirSync(`/proc/self/fd/${fd}`).length > 0) throw new Error('it is not empty')
    return fd
  } catch (cause) {
    closeSync(fd)
    throw new KataError('COPY_TARGET', { path: into, reason: 'somebody else changes it' }, { cause })
  }
}

function notThere(path: string, cause: unknown): KataError {
  const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
  return new KataError('COPY_TARGET', { path, reason }, { cause })
}

async function closingAsync<T>(fd: number, work: (fd: number) => Promise<T>): Promise<T> {
  try {
    return await work(fd)
  } finally {
    closeSync(fd)
  }
}

/** As docker: into a directory that exists, else under the last name of the destination. */
function planOf(path: string, destination: string): Plan {
  const refuse = (reason: string) => new KataError('COPY_TARGET', { path: destination, reason })
  const target = resolve(destination)
  const name = nameOf(path)
  const isDirectory = statSync(target, { throwIfNoEntry: false })?.isDirectory() ?? false
  if (!isDirectory && /\/\.?$/.test(destination)) throw refuse('there is no such directory')
  if (!isDirectory && !existsSync(dirname(target))) throw refuse(`there is no directory ${dirname(target)}`)
  if (name === undefined) {
    if (!isDirectory) throw refuse('there is no such directory for what is in another')
    return { into: target, one: undefined }
  }
  if (isDirectory) return { into: target, one: { name, newName: name } }
  return { into: dirname(target), one: { name, newName: basename(target) } }
}

/** Undefined for the content of a directory: a path whose last name is `.`, or the root. */
function nameOf(path: string): string | undefined {
  const absolute = posix.resolve('/', path)
  return basename(path) === '.' || absolute === '/' ? undefined : basename(absolute)
}

function packCommand(path: string): string[] {
  const name = nameOf(path)
  const absolute = posix.resolve('/', path)
  if (absolute === '/') return packRootCommand('/')
  return name === undefined
    ? ['tar', '-cf', '-', '-C', absolute, '.']
    : ['tar', '-cf', '-', '-C', dirname(absolute), `./${name}`]
}

/**
 * All of a root directory but /proc and /sys: what the kernel shows there has other sizes than it says, at which tar gives up. Not every tar has
 * `--exclude`, such as that of Debian's busybox.
 */
const packRoot = `cd "$1" || exit
set --
for name in ./* ./.[!.]* ./..?*; do
  case $name in ./proc | ./sys) continue ;; esac
  if [ -e "$name" ] || [ -L "$name" ]; then set -- "$@" "$name"; fi
done
exec tar -cf - "$@"`

/** The command that packs the content of `root`, a root directory as its container sees it. */
export const packRootCommand = (root: string): string[] => ['sh', '-c', packRoot, 'sh', root]

/** Unpacks while tar runs: what is not taken makes it wait. */
async function receive(tar: ContainerTar, path: string, directory: string): Promise<UnpackedCopy> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const [reader, writer] = [readable.getReader(), writable.getWriter()]
  const sent = tar.run(packCommand(path), { output: { write: (chunk) => writer.write(chunk) } })
  sent
    .then(
      () => writer.close(),
      (error) => writer.abort(error),
    )
    .catch(() => {})
  try {
    const copy = await unpackCopy(chunksOf(reader), directory, { container: tar.name })
    await sent
    return copy
  } catch (error) {
    // Whatever it still wants to send: a reader that has left ends it.
    await reader.cancel(Object.assign(new Error('the copy was given up'), { code: 'EPIPE' })).catch(() => {})
    await sent.catch((ofTar) => tar.log.debug('tar in the container', { error: ofTar }))
    throw error
  }
}

interface Reader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
}

async function* chunksOf(reader: Reader): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { value } = await reader.read()
    if (value === undefined) return
    yield value
  }
}

/** Nothing that exists is replaced, but a file by a file. */
function place(directory: string, copy: UnpackedCopy, { into, open, one }: OpenPlan): void {
  const names = readdirSync(directory)
  const [only] = names
  if (one !== undefined && (names.length !== 1 || only !== one.name))
    throw new KataError('COPY_UNSAFE', {
      entry: JSON.stringify(names.find((found) => found !== one.name) ?? ''),
      reason: `only ${JSON.stringify(one.name)} was asked for`,
    })
  const moves = names.map((name) => [name, one?.newName ?? name] as const)
  for (const [from, to] of moves) {
    const there = lstatSync(`${open}/${to}`, { throwIfNoEntry: false })
    const isFile = lstatSync(`${directory}/${from}`).isFile()
    if (there !== undefined && !(isFile && there.isFile()))
      throw new KataError('COPY_TARGET', { path: join(into, to), reason: 'it exists' })
  }
  copy.finish()
  for (const [from, to] of moves) move(`${directory}/${from}`, `${open}/${to}`)
}

/** A directory can only be moved by who may write into it. It is held open, as its new place may be another user's to change. */
function move(from: string, to: string): void {
  const stat = lstatSync(from)
  const isReadOnly = stat.isDirectory() && (stat.mode & 0o200) === 0
  if (!isReadOnly) {
    renameSync(from, to)
    return
  }
  chmodSync(from, 0o700)
  closing(openSync(from, constants.O_RDONLY | constants.O_DIRECTORY), (fd) => {
    renameSync(from, to)
    fchmodSync(fd, stat.mode & 0o777)
  })
}
