/** What a test run of this checkout that was killed leaves on the host: taken away after it, or before the next one, and said. */
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ownCgroups, removeEmptyCgroups } from '../../e2e/containerd/cgroups.ts'
import { bridgeName } from '../../e2e/containerd/configuration.ts'
import { directoryList } from '../../e2e/harness/directories.ts'
import { tryLock } from '../../src/linux/files/flock.ts'
import { unmountBelow } from '../../src/linux/mounts/mount.ts'
import { isMarked } from '../../src/network/testing.ts'
import { buildDir } from '../paths.ts'

/** Bridges of the tests' networks. */
const bridges = [bridgeName, 'ktdk0', 'ktdk1', 'ktdk2', 'ktdk3', 'ktdk4', 'ktbr0']

/** Names of their network namespaces. A user may have such names too, so that a mark inside tells. */
export const testNetns = (): string[] => listed('/run/netns').filter(isMarked)

/** A run of this checkout's tests: while there is another one, what lies about may be its own. */
export class TestRun {
  readonly #lock: number

  constructor() {
    mkdirSync(buildDir, { recursive: true })
    this.#lock = openSync(join(buildDir, 'test-run.lock'), 'a')
    tryLock(this.#lock, 'shared')
  }

  /** Takes it all away unless another run goes on; returns what it was, for a person. */
  removeLeftovers(): string[] {
    try {
      return tryLock(this.#lock) ? removeLeftovers() : []
    } finally {
      // A lock that could not be made exclusive is gone.
      tryLock(this.#lock, 'shared')
    }
  }
}

function removeLeftovers(): string[] {
  const noted = existsSync(directoryList)
    ? readFileSync(directoryList, 'utf8').split('\n').filter(Boolean)
    : []
  const directories = noted.filter((path) => existsSync(path))
  if (directories.length > 0) collect(directories)
  for (const directory of directories) {
    detachLoops(directory)
    unmountBelow(directory)
    rmSync(directory, { recursive: true, force: true })
  }
  rmSync(directoryList, { force: true })
  // Nothing but a run that was killed leaves directories; one that was not has removed the rest too.
  if (directories.length === 0) return []
  const links = bridges.filter((name) => succeeds('ip', 'link', 'delete', name))
  const namespaces = testNetns().filter((name) => succeeds('ip', 'netns', 'delete', name))
  return [...directories, ...links, ...namespaces, ...ownCgroups().filter(removeEmptyCgroups)]
}

const listed = (path: string): string[] => (existsSync(path) ? readdirSync(path) : [])

/** Sandboxes that nobody answers for any more: their accounts, leases, mounts and cgroups. */
function collect(directories: readonly string[]): void {
  const program = join(buildDir, 'kata-ts')
  if (!existsSync(program)) return
  const runDirs = directories.filter((path) => path.startsWith('/run/'))
  for (const flags of [[], ...runDirs.map((path) => ['--run-dir', path])])
    Bun.spawnSync([program, ...flags, 'gc'])
}

function detachLoops(directory: string): void {
  for (const name of readdirSync(directory).filter((name) => name.endsWith('.img'))) {
    const argv = ['losetup', '--noheadings', '--output', 'NAME', '-j', join(directory, name)]
    for (const device of Bun.spawnSync(argv).stdout.toString().split('\n').filter(Boolean))
      Bun.spawnSync(['losetup', '--detach', device.trim()])
  }
}

const succeeds = (...argv: string[]): boolean => Bun.spawnSync(argv).exitCode === 0
