/**
 * Makes a release once more, as somebody does who checks it: from a clone of the commit at another path, with npm packages, guest image and
 * scratch files of its own, another umask and another time zone.
 */
import { cpSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { mustRunTool, type ToolContext } from '../../src/guest-image/child.ts'
import { defaultCacheDir } from '../../src/guest-image/guest-image.ts'
import { buildDir, root } from '../paths.ts'
import { SetupError } from '../setup-error.ts'

const limitMs = 60 * 60_000

/** Its own cache in the place of the host's, for it alone. */
const script = `set -eu
mount --bind "$0" ${defaultCacheDir}
umask 077
exec sh setup/bootstrap.sh release --out "$1"`

/**
 * Returns the directory of the second release, below `directory`, which is there and empty.
 *
 * @throws SetupError for files that are not committed; KataError IMAGE_TOOL_*, IMAGE_DISK_FULL with the words of what failed.
 */
export async function releaseAgain(directory: string, tools: ToolContext): Promise<string> {
  await requireCommitted(tools)
  const [checkout, cache, out] = ['a/checkout/elsewhere', 'cache', 'dist'].map((name) =>
    join(directory, name),
  )
  const must = (argv: readonly [string, ...string[]], cwd?: string) =>
    mustRunTool(argv, directory, {
      env: { ...tools.env, TZ: 'Asia/Kathmandu' },
      timeout: limitMs,
      cwd: cwd ?? root,
    })
  await must(['git', 'clone', '--quiet', root, checkout!])
  mkdirSync(cache!)
  // Packages of Debian are compared with their checksums wherever they come from: none is downloaded twice.
  for (const [from, to] of [
    [join(defaultCacheDir, 'debs'), join(cache!, 'debs')],
    [join(buildDir, 'bundle/debs'), join(checkout!, 'build/bundle/debs')],
  ] as const)
    if (existsSync(from)) cpSync(from, to, { recursive: true })
  const own = ['unshare', '--mount', '--propagation', 'private'] as const
  await must([...own, 'sh', '-c', script, cache!, out!], checkout!)
  return out!
}

/** A clone has what is committed. */
async function requireCommitted(tools: ToolContext): Promise<void> {
  const argv = ['git', '--no-optional-locks', 'status', '--porcelain'] as const
  const changed = await mustRunTool(argv, root, { ...tools, cwd: root, timeout: 60_000 })
  if (changed !== '')
    throw new SetupError(
      `these files are not as they were committed:\n${changed.trimEnd()}`,
      'commit them first',
    )
}
