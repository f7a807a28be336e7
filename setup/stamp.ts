/** Knows whether a step's result still follows from its inputs: a hash of them is kept beside the result. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * The hash of the names and contents of files, and of directories with all below. Unit tests count only where `tests` says so.
 *
 * @throws Error for a path that is not there: the inputs of a step went out of date when the file moved, and changes of it would go unseen.
 */
export function hashFiles(root: string, paths: readonly string[], { tests = false } = {}): string {
  const hash = new Bun.CryptoHasher('sha256')
  const counts = (path: string) => tests || !path.endsWith('.test.ts')
  for (const path of paths.flatMap((path) => filesBelow(root, path).filter(counts)).sort()) {
    hash.update(`${path}\0`)
    hash.update(readFileSync(join(root, path)))
    hash.update('\0')
  }
  return hash.digest('hex')
}

function filesBelow(root: string, path: string): string[] {
  if (!statSync(join(root, path), { throwIfNoEntry: false })?.isDirectory()) return [path]
  return readdirSync(join(root, path), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
}

/** Whether the stamp holds `hash` and every output exists. */
export function isFresh(stamp: string, hash: string, outputs: readonly string[]): boolean {
  return (
    existsSync(stamp) && readFileSync(stamp, 'utf8') === hash && outputs.every((path) => existsSync(path))
  )
}

/** Runs `make` and stamps its success; while it runs there is no stamp, so an interruption is noticed. */
export async function stamped(stamp: string, hash: string, make: () => Promise<void>): Promise<void> {
  rmSync(stamp, { force: true })
  await make()
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, hash)
}
