/** The command line with a double of the shim, for tests: `client.host.ts BASE ARGS...`. */
import { runCli } from '../cli.ts'

const [, , base = '', ...argv] = process.argv
const shim = `${import.meta.dir}/shim.double.ts`
const where = ['--run-dir', `${base}/run`, '--state-dir', `${base}/state`]
process.exit(
  await runCli([...where, ...argv], { script: shim, execPath: process.execPath, env: process.env }),
)
