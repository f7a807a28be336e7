/**
 * `npm run release [-- --out DIR] [--twice]`: the files of a release, after the build. It publishes nothing. With `--twice` it makes them
 * once more elsewhere (again.ts) and fails where they differ.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeError, KataError } from '../../src/errors.ts'
import { createProgress } from '../../src/guest-image/progress.ts'
import { buildDir } from '../paths.ts'
import { SetupError } from '../setup-error.ts'
import { releaseAgain } from './again.ts'
import { compareReleases } from './compare.ts'
import { makeRelease } from './release.ts'

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(buildDir, 'dist') },
    twice: { type: 'boolean', default: false },
  },
})
const progress = createProgress(process.stderr)
const tools = { env: process.env }

try {
  const names = await makeRelease({ outDir: values.out, compression: 'zstd' }, { progress, tools })
  for (const name of names) console.log(join(values.out, name))
  if (values.twice) await makeAgain(names.length)
} catch (error) {
  const remedy = error instanceof KataError || error instanceof SetupError ? error.remedy : 'see the message'
  console.error(`no release was made: ${describeError(error)}\n  What to do: ${remedy}`)
  process.exit(1)
}

/** @throws SetupError with every difference. */
async function makeAgain(count: number): Promise<void> {
  // On a disk: two releases, unpacked, and a checkout with all that it is built with.
  const directory = mkdtempSync('/var/tmp/kata-ts-release-')
  try {
    progress.begin('the release once more, elsewhere')
    const again = await releaseAgain(directory, tools)
    progress.begin('comparison')
    const lines = await compareReleases(values.out, again, { scratch: directory, tools })
    progress.end()
    if (lines.length > 0)
      throw new SetupError(
        `a second release is another:\n  ${lines.join('\n  ')}`,
        'if only the guest image or the bundle differ, Debian has newer packages: run `build/kata-ts guest build` and try again',
      )
    console.log(`made twice: all ${count} files are the same`)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
