/** Working directories of containers that were made when a relative one was allowed: it began at `/`, as an image's does. */
import { posix } from 'node:path'
import { bundleFile } from '../../bundle/files.ts'
import { maxSpecBytes, readObject } from '../../bundle/read-file.ts'
import { isObject } from '../../json/compounds.ts'
import { replaceFile } from '../../linux/files/replace-file.ts'

const isRelative = (cwd: string): boolean => cwd !== '' && !cwd.startsWith('/')

/** One that is absolute, or empty, stays as it is. */
export const absoluteCwd = (cwd: string): string => (isRelative(cwd) ? posix.resolve('/', cwd) : cwd)

/** Mends our own bundle. It writes nothing if the directory is absolute. @throws KataError BUNDLE_FILE_INVALID. */
export function makeCwdAbsolute(bundle: string): void {
  const path = bundleFile(bundle, 'spec')
  const spec = readObject(path, maxSpecBytes)
  const process = spec?.process
  if (!isObject(process) || typeof process.cwd !== 'string' || !isRelative(process.cwd)) return
  const changed = { ...spec, process: { ...process, cwd: absoluteCwd(process.cwd) } }
  replaceFile(path, JSON.stringify(changed), { isFlushed: true })
}
