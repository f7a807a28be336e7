/** The one executable: the shim when it is called by the shim's name, the command line otherwise. */
import { basename } from 'node:path'

const [, script = '', ...argv] = process.argv

if (basename(process.argv0) === 'containerd-shim-kata-ts-v2') {
  const { shimMain } = await import('../shim/main.ts')
  process.exit(await shimMain(argv))
}

const { runCli } = await import('./cli.ts')
process.exit(await runCli(argv, { script, execPath: process.execPath, env: process.env }))
