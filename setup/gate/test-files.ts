/** Which test files a run takes. */
import { relative, resolve } from 'node:path'
import { root } from '../paths.ts'

/** Files of unit tests that only root can run, by their suffix. */
const needsRoot = (file: string) => file.endsWith('.root.test.ts')

/** The test files at or below `places` whose path holds one of `names`; all of them where there is no name. */
export function testFiles(places: readonly string[], names: readonly string[]): string[] {
  const wanted = names.map(asPath)
  return places
    .flatMap(below)
    .filter((file) => wanted.length === 0 || wanted.some((name) => file.includes(name)))
}

/** A name as it stands in a path from the repository's root: completion in a shell gives `./src/ttrpc/` as well. */
function asPath(name: string): string {
  if (!/^[./]/.test(name)) return name
  return relative(root, resolve(root, name))
}

/** Those that this user can run, and those that only root can. */
export function splitByRoot(
  files: readonly string[],
  isRoot = process.getuid?.() === 0,
): { run: string[]; skipped: string[] } {
  const skipped = isRoot ? [] : files.filter(needsRoot)
  return { run: files.filter((file) => !skipped.includes(file)), skipped }
}

/**
 * Unit tests that may run beside others, and root's that take users of the host: they sweep what is left of such users, and would end each other's
 * processes. Those of the command line and of networks have none.
 */
export function splitByUsers(files: readonly string[]): { together: string[]; alone: string[] } {
  const alone = files.filter((file) => needsRoot(file) && !/^(src\/(cli|network|sdk)|setup)\//.test(file))
  return { together: files.filter((file) => !alone.includes(file)), alone }
}

/** A directory's test files, but for those that need a lab host (lab/tests). */
function below(place: string): string[] {
  if (place.endsWith('.test.ts')) return [place]
  const found = [...new Bun.Glob(`${place}/**/*.test.ts`).scanSync({ cwd: root })]
  return found.filter((file) => !file.startsWith('lab/tests/')).sort()
}
