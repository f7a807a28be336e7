/** `npm run release [-- --out DIR]`: the files of a release, after the build. It publishes nothing. */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeError, KataError } from '../../src/errors.ts'
import { createProgress } from '../../src/guest-image/progress.ts'
import { buildDir } from '../paths.ts'
import { SetupError } from '../setup-error.ts'
import { makeRelease } from './release.ts'

const { values } = parseArgs({ options: { out: { type: 'string', default: join(buildDir, 'dist') } } })

try {
  const names = await makeRelease(
    { outDir: values.out, compression: 'zstd' },
    { progress: createProgress(process.stderr), tools: { env: process.env } },
  )
  for (const name of names) console.log(join(values.out, name))
} catch (error) {
  const remedy = error instanceof KataError || error instanceof SetupError ? error.remedy : 'see the message'
  console.error(`no release was made: ${describeError(error)}\n  What to do: ${remedy}`)
  process.exit(1)
}
