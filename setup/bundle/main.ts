/** `npm run bundle [-- --version V] [--out DIR] [--unpacked]`: the bundle for /opt/kata-ts, after the build. */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeError, KataError } from '../../src/errors.ts'
import { createProgress } from '../../src/guest-image/progress.ts'
import { buildDir } from '../paths.ts'
import { SetupError } from '../setup-error.ts'
import { makeBundle } from './bundle.ts'

const { values } = parseArgs({
  options: {
    version: { type: 'string' },
    out: { type: 'string', default: join(buildDir, 'dist') },
    unpacked: { type: 'boolean', default: false },
  },
})

try {
  const { version, out, unpacked } = values
  const options = { outDir: out, unpacked, ...(version !== undefined && { version }) }
  const progress = createProgress(process.stderr)
  const { path } = await makeBundle(options, { progress, tools: { env: process.env } })
  console.log(path)
} catch (error) {
  const remedy = error instanceof KataError || error instanceof SetupError ? error.remedy : 'see the message'
  console.error(`no bundle was made: ${describeError(error)}\n  What to do: ${remedy}`)
  process.exit(1)
}
