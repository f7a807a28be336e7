/** Repairs relative working directories, which earlier versions allowed. They are relative to `/`, as in an image. */
import { posix } from 'node:path'
import { bundleFile } from '../../bundle/files.ts'
import { maxSpecBytes, readObject } from '../../bundle/read-file.ts'
import { isObject } from '../../json/compounds.ts'
import { replaceFile } from '../../linux/files/replace-file.ts'

const isRelative = (cwd: string): boolean => cwd !== '' && !cwd.startsWith('/')

/** Makes a relative path absolute. An absolute or empty one stays as it is. */
export const absoluteCwd = (cwd: string): string => (isRelative(cwd) ? posix.resolve('/', cwd) : cwd)

/** Repairs the working directory in our own bundle. Writes nothing if it is absolute. @throws KataError BUNDLE_FILE_INVALID. */
export function makeCwdAbsolute(bundle: string): void {
  const path = bundleFile(bundle, 'spec')
  const spec = readObject(path, maxSpecBytes)
  const process = spec?.process
  if (!isObject(process) || typeof process.cwd !== 'string' || !isRelative(process.cwd)) return
  const changed = { ...spec, process: { ...process, cwd: absoluteCwd(process.cwd) } }
  replaceFile(path, JSON.stringify(changed), { isFlushed: true })
}
