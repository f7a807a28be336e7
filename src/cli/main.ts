/** The one executable: the shim when it is called by the shim's name, the command line otherwise. */
import { basename } from 'node:path'
import { shimName } from '../version.ts'

const [, script = '', ...argv] = process.argv

if (basename(process.argv0) === shimName) {
  const { shimMain } = await import('../shim/main.ts')
  process.exit(await shimMain(argv))
}

const { runCli } = await import('./cli.ts')
process.exit(await runCli(argv, { script, execPath: process.execPath, env: process.env }))
