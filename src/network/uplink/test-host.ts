/** Runs the `*.host.ts` programs of tests: each is the host of a small internet (testing.ts), in namespaces of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { findTool } from '../../linux/processes/which.ts'
import { noNetns } from '../testing.ts'

const missing = ['pasta', 'nft'].filter((tool) => findTool(tool) === undefined)

/** Why there can be no such host; undefined when there can. */
export const noHost =
  noNetns() ?? (missing.length === 0 ? undefined : `${missing.join(' and ')} not installed`)
if (noHost !== undefined) console.log(`skipped: ${noHost}`)

/** Runs the program at `path` with a directory of its own, and returns what it printed, JSON. */
export function onHost(path: string): string {
  using program = hostProgram(path)
  const { stdout, stderr, exitCode } = Bun.spawnSync([...program.argv])
  if (exitCode !== 0) throw new Error(stderr.toString())
  return stdout.toString()
}

/** How such a program is run, with `args` behind its directory, which goes away with this. */
export function hostProgram(
  path: string,
  ...args: readonly string[]
): { readonly argv: readonly string[] } & Disposable {
  const directory = mkdtempSync(`${tmpdir()}/host-`)
  writeFileSync(`${directory}/resolv.conf`, '')
  const script = `mount --bind ${directory}/resolv.conf /etc/resolv.conf; exec "$@"`
  const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
  const program = [process.execPath, path, directory, ...args]
  return {
    argv: ['unshare', ...namespaces, 'sh', '-c', script, 'sh', ...program],
    [Symbol.dispose]: () => rmSync(directory, { recursive: true }),
  }
}
