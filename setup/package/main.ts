/** `npm run package [-- --version V] [--out DIR] [--compression none]`: the Debian package, after the build. */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeError, KataError } from '../../src/errors.ts'
import { buildDir } from '../paths.ts'
import { SetupError } from '../setup-error.ts'
import { makePackage } from './package.ts'

const { values } = parseArgs({
  options: {
    version: { type: 'string' },
    out: { type: 'string', default: join(buildDir, 'dist') },
    compression: { type: 'string', default: 'zstd' },
  },
})

try {
  const { version, out, compression } = values
  if (compression !== 'zstd' && compression !== 'none')
    throw new SetupError(`--compression ${compression} is unknown`, 'use zstd or none')
  const options = { outDir: out, compression, ...(version !== undefined && { version }) } as const
  console.log(await makePackage(options, { env: process.env }))
} catch (error) {
  const remedy = error instanceof KataError || error instanceof SetupError ? error.remedy : 'see the message'
  console.error(`no package was made: ${describeError(error)}\n  What to do: ${remedy}`)
  process.exit(1)
}
