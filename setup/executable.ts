/** The executable of the product. */
import { chmodSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { commitOf } from './commit.ts'
import { executable, root, shimLink } from './paths.ts'
import { SetupError } from './setup-error.ts'

/**
 * One executable with everything in it. It must not read .env or bunfig.toml of the directory that it is started in (a
 * shim's is the bundle, which others write), and byte code with splitting starts fastest.
 */
export async function compileExecutable(): Promise<void> {
  const fresh = `${executable}.new`
  const child = Bun.spawn(
    [
      process.execPath,
      'build',
      '--compile',
      '--bytecode',
      '--format=esm',
      '--splitting',
      '--no-compile-autoload-dotenv',
      '--no-compile-autoload-bunfig',
      '--define',
      `KATA_TS_COMMIT=${JSON.stringify(commitOf().name)}`,
      join(root, 'src/cli/main.ts'),
      '--outfile',
      fresh,
    ],
    { cwd: root, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe', timeout: 300_000 },
  )
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  if (code !== 0)
    throw new SetupError(
      `bun build failed:\n${stdout}${stderr}`,
      'mend what it names; a full disk shows as ENOSPC',
    )
  chmodSync(fresh, 0o755)
  // Renamed into place: running shims keep the file that they were started from.
  renameSync(fresh, executable)
  rmSync(shimLink, { force: true })
  symlinkSync('kata-ts', shimLink)
}
