/** Sandboxes of the host, asked and released by kata-ts itself, run from this checkout: an installed one may be gone. */
import { join } from 'node:path'
import type { Listed } from '../../src/cli/actions/ps.ts'
import { defaultStateDir } from '../../src/cli/settings.ts'
import { listSandboxes, listWaiting } from '../../src/sandbox/records/gc.ts'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { root } from '../paths.ts'
import { SetupError } from '../setup-error.ts'

export interface Sandboxes {
  /** `NAMESPACE/NAME` of those that hold something of the host and are not dead. */
  live(): Promise<string[]>
  /** Releases what dead ones left, and says what that was. @throws SetupError. */
  release(): Promise<string>
}

/** By default those of the host. */
export function hostSandboxes({ runDir = defaultRunDir, stateDir = defaultStateDir } = {}): Sandboxes {
  const call = (...args: readonly string[]) => kata(['--run-dir', runDir, '--state-dir', stateDir, ...args])
  return {
    async live() {
      const listed = JSON.parse(await call('--format', 'json', 'ps', '--all-namespaces')) as Listed[]
      return listed
        .filter(({ status, shimPid }) => shimPid !== null || !['stopped', 'dead'].includes(status))
        .map(({ namespace, id }) => `${namespace}/${id}`)
    },
    async release() {
      const said = await call('gc')
      // One that is being started has told nobody yet, and is no garbage.
      const [still] = listSandboxes(runDir)
      if (still !== undefined)
        throw new SetupError(
          `sandbox ${still.namespace}/${still.id} is still there; nothing else was removed`,
          'remove its container, or wait until it has started or failed, and run it again',
        )
      const waiting = listWaiting(runDir)
      if (waiting.length === 0) return said
      throw new SetupError(
        `machines wait for pods: ${waiting.map(({ id }) => id).join(', ')}; nothing else was removed`,
        'end `kata-ts factory serve` (systemctl stop kata-ts-pool.service), and run it again',
      )
    },
  }
}

async function kata(args: readonly string[]): Promise<string> {
  const child = Bun.spawn([process.execPath, join(root, 'src/cli/main.ts'), ...args], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: 120_000,
  })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  if (code === 0) return stdout
  throw new SetupError(
    `kata-ts ${args.join(' ')} failed, nothing was removed: ${(stderr || stdout).trim()}`,
    'mend what it names and run it again: without it, users and mounts of sandboxes could be left behind',
  )
}
