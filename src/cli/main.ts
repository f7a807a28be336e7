/** The one executable: the shim when it is called by the shim's name, the command line otherwise. */
import { basename } from 'node:path'
import { resolverWord } from '../network/uplink/resolver-word.ts'
import { shimName } from '../version.ts'

const [, script = '', ...argv] = process.argv

// As dockerd has it. The users of VMMs and of containers read what root makes for them; what is private has its mode said where it is made.
if (process.getuid?.() === 0) process.umask(0o022)

if (basename(process.argv0) === shimName) {
  const { shimMain } = await import('../shim/main.ts')
  process.exit(await shimMain(argv))
}

// The name server of one container's network, which the shim starts.
if (argv[0] === resolverWord) {
  const { resolverMain } = await import('../network/uplink/resolver-main.ts')
  await resolverMain(argv.slice(1).join(''))
}

const { runCli } = await import('./cli.ts')
process.exit(await runCli(argv, { script, execPath: process.execPath, env: process.env }))
