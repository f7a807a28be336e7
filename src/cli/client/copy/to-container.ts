/** Files of the host for a container: packed by the host's `tar`, unpacked by the container's. */

import { lstatSync, realpathSync } from 'node:fs'
import { basename, dirname, posix, resolve } from 'node:path'
import { KataError } from '../../../errors.ts'
import { systemTool } from '../../../linux/processes/which.ts'
import { lastWords } from '../../../plain-text.ts'
import { within } from '../../../time.ts'
import type { ContainerTar } from './container-tar.ts'

const nowhere = { write: async () => {} }
/** How long our tar may take to end when all is in the container, milliseconds. */
const endsMs = 10_000

/** A tar from elsewhere into a directory of the container, for `cp - NAME:PATH`. */
export async function unpackIn(
  tar: ContainerTar,
  directory: string,
  input: ReadableStream<Uint8Array>,
): Promise<void> {
  await tar.run(['tar', '-xf', '-', '-C', absolute(directory)], { input, output: nowhere })
}

/** As docker: into a directory that is there, else under the last name of the destination. All of it is root's there. */
export async function copyTo(tar: ContainerTar, source: string, destination: string): Promise<void> {
  const isContent = basename(source) === '.'
  const path = resolve(source)
  lstatSync(path)
  const target = absolute(destination)
  const name = isContent || path === '/' ? undefined : basename(path)
  const isInside = name === undefined || /\/\.?$/.test(destination) || (await isDirectory(tar, target))
  const [directory, newName] = isInside ? [target, name] : [posix.dirname(target), posix.basename(target)]
  const rename =
    name === undefined || newName === undefined || newName === name ? [] : [renaming(name, newName)]
  const from = name === undefined ? [realpathSync(path), '.'] : [realpathSync(dirname(path)), `./${name}`]
  const pack = ['-cf', '-', '--owner=0', '--group=0', '--numeric-owner', ...rename, '-C', ...from]
  const child = Bun.spawn([systemTool('tar'), ...pack], {
    env: { LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = child.stderr.text()
  try {
    await unpackIn(tar, directory, child.stdout)
  } catch (error) {
    child.kill()
    throw error
  }
  // The container's tar has everything. Ours may still be about to end; if it goes on, nothing reads its output.
  if ((await within(child.exited, endsMs)) === undefined) child.kill()
  if ((await child.exited) !== 0)
    throw new KataError('COPY_FAILED', { name: tar.name, reason: lastWords(await said) })
}

const absolute = (path: string): string => posix.resolve('/', path)

/** Tar can read a directory's own entry where there is one. */
async function isDirectory(tar: ContainerTar, path: string): Promise<boolean> {
  try {
    await tar.run(['tar', '-cf', '/dev/null', '--no-recursion', '-C', path, '.'], { output: nowhere })
    return true
  } catch (error) {
    const says =
      error instanceof KataError && error.code === 'COPY_FAILED' && error.fields.reason !== 'it has no tar'
    if (says) return false
    throw error
  }
}

/** GNU tar's option that gives the files another first name; symbolic links keep their targets. */
function renaming(name: string, newName: string): string {
  if (name.includes('\n') || newName.includes('\n'))
    throw new KataError('COPY_TARGET', { path: newName, reason: 'a name with a newline cannot be changed' })
  const pattern = name.replace(/[\\.*[\]^$,]/g, '\\$&')
  return `--transform=s,^\\./${pattern}\\(/\\|$\\),./${newName.replace(/[\\&,]/g, '\\$&')}\\1,S`
}
