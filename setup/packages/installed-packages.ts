/** Which packages the set-up installed, so that they can be taken away again. Kept outside the checkout. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describeError } from '../../src/errors.ts'
import { SetupError } from '../setup-error.ts'

/** Below the state directory. */
export const recordName = 'installed-packages.json'

/** The names in the record, none when there is no record. @throws SetupError when it cannot be read. */
export function readRecord(path: string): string[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw unreadable(path, describeError(error))
  }
  try {
    const { packages } = JSON.parse(text)
    // The names become arguments of apt-get.
    if (Array.isArray(packages) && packages.every((name) => /^[a-z0-9][a-z0-9+.:-]*$/.test(name)))
      return packages
  } catch {}
  throw unreadable(path, 'it is not {"packages": [NAME, ...]}')
}

/** Replaces the record; an empty one is none. */
export function writeRecord(path: string, names: Iterable<string>): void {
  const packages = [...new Set(names)].sort()
  if (packages.length === 0) {
    rmSync(path, { force: true })
    return
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(`${path}.new`, `${JSON.stringify({ packages }, null, 2)}\n`)
  renameSync(`${path}.new`, path)
}

function unreadable(path: string, reason: string): SetupError {
  return new SetupError(
    `${path} cannot be used: ${reason}`,
    'mend it, or remove it: kata-ts then no longer knows which packages it installed',
  )
}
