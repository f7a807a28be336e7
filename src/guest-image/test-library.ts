/** Real shared libraries for tests of what reads them. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Compiles `source` into `dir/soname` and returns its bytes. `map` is its version script, `libraries` are files in `dir`
 * to link against.
 */
export function compileLibrary(
  dir: string,
  soname: string,
  source: string,
  map: string,
  libraries: readonly string[] = [],
): Buffer {
  writeFileSync(join(dir, 'library.c'), source)
  writeFileSync(join(dir, 'library.map'), map)
  const options = [
    '-shared',
    '-fPIC',
    '-nostdlib',
    `-Wl,-soname,${soname}`,
    '-Wl,--version-script=library.map',
  ]
  const files = ['-o', soname, 'library.c', ...libraries.map((name) => `-l:${name}`)]
  const { exitCode, stderr } = Bun.spawnSync(['gcc', ...options, '-L.', ...files], {
    cwd: dir,
    stderr: 'pipe',
  })
  if (exitCode !== 0) throw new Error(stderr.toString())
  return readFileSync(join(dir, soname))
}
