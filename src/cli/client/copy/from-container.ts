/** Files of a container for the host: what its `tar` sends is a stream that may say anything. */
import {
  chmodSync,
  constants,
  existsSync,
  fchmodSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join, posix, resolve } from 'node:path'
import { KataError } from '../../../errors.ts'
import { type UnpackedCopy, unpackCopy } from '../../../images/unpack-copy.ts'
import { closing } from '../../../linux/files/open-at.ts'
import { removeTree } from '../../../linux/files/remove-tree.ts'
import type { ByteSink } from '../output.ts'
import type { ContainerTar } from './container-tar.ts'

/** The whole tar of the path, for `cp NAME:PATH -`. */
export async function sendTar(tar: ContainerTar, path: string, output: ByteSink): Promise<void> {
  await tar.run(createArgs(path), { output })
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
  const directory = mkdtempSync(join(dirname(plan.target), '.kata-ts-copy-'))
  try {
    const copy = await receive(tar, path, directory)
    place(directory, copy, plan)
    return copy.leftOut
  } finally {
    await removeTree(directory).catch((error) => tar.log.warn('a rest of a copy', { directory, error }))
  }
}

interface Plan {
  /** Where the one thing goes, or the directory of what is in it. */
  readonly target: string
  /** The one name that the stream has at its top; undefined: all that is in the directory. */
  readonly name: string | undefined
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
    return { target: join(target, '.'), name }
  }
  return { target: isDirectory ? join(target, name) : target, name }
}

/** Undefined for the content of a directory: a path that ends with `/.`, or the root. */
function nameOf(path: string): string | undefined {
  const isContent = path.endsWith('/.') || posix.normalize(path) === '/'
  return isContent ? undefined : basename(posix.normalize(path))
}

function createArgs(path: string): string[] {
  const name = nameOf(path)
  const absolute = posix.resolve('/', path)
  return name === undefined
    ? ['-cf', '-', '-C', absolute, '.']
    : ['-cf', '-', '-C', dirname(absolute), `./${name}`]
}

/** Unpacks while tar runs: what is not taken makes it wait. */
async function receive(tar: ContainerTar, path: string, directory: string): Promise<UnpackedCopy> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const [reader, writer] = [readable.getReader(), writable.getWriter()]
  const sent = tar.run(createArgs(path), { output: { write: (chunk) => writer.write(chunk) } })
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
function place(directory: string, copy: UnpackedCopy, { target, name }: Plan): void {
  const names = readdirSync(directory)
  const [only] = names
  if (name !== undefined && (names.length !== 1 || only !== name))
    throw new KataError('COPY_UNSAFE', {
      entry: JSON.stringify(names.find((found) => found !== name) ?? ''),
      reason: `only ${JSON.stringify(name)} was asked for`,
    })
  const moves =
    name === undefined
      ? names.map((found) => [found, join(target, found)] as const)
      : [[name, target] as const]
  for (const [from, to] of moves) {
    const there = lstatSync(to, { throwIfNoEntry: false })
    const isFile = lstatSync(join(directory, from)).isFile()
    if (there !== undefined && !(isFile && there.isFile()))
      throw new KataError('COPY_TARGET', { path: to, reason: 'it exists' })
  }
  copy.finish()
  for (const [from, to] of moves) move(join(directory, from), to)
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
