/**
 * A host of its own for a program, a test file for instance: its processes, mounts, interfaces, cgroups, accounts, /run and state directory are nobody else's. So two files that
 * look at all of their host run side by side, and nothing that is started or left there outlives it. The kernel, its devices and the other directories
 * are the machine's.
 */
import { existsSync, rmSync } from 'node:fs'
import { podCgroup, removeEmptyCgroups } from '../../e2e/containerd/cgroups.ts'
import { ownDirectory } from '../../e2e/harness/directories.ts'
import { cgroupDirectory, cgroupHierarchies, makeCgroup } from '../../src/linux/cgroups/cgroup.ts'
import { root } from '../paths.ts'
import { ownChild } from './supervise.ts'

/** Options of unshare(1). PID 1 ends with whoever waits for it, and all others with PID 1. */
const namespaces = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--ipc']
/** How long the dead are still in their cgroups, at most. */
const cgroupsGoneMs = 10_000

let count = 0

export class OwnHost implements AsyncDisposable {
  /** Its files on the machine's disk, there as long as it is. */
  readonly directory = ownDirectory('/var/tmp/kata-ts-host-')
  /** One in each hierarchy; none where nobody can make any. */
  readonly #cgroups: readonly string[]
  readonly #network: 'own' | 'shared'

  /**
   * @param network `shared`: that of whoever makes it, for what asks an archive.
   * @throws ErrnoException of mkdir(2) where a cgroup cannot be made, but for a read-only file system.
   */
  constructor({ network = 'own' }: { readonly network?: 'own' | 'shared' } = {}) {
    this.#network = network
    const path = `/${podCgroup}-${process.pid}-${++count}`
    this.#cgroups = cgroupHierarchies().flatMap((hierarchy) => {
      try {
        makeCgroup(hierarchy, path)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EROFS') return []
        throw error
      }
      return [cgroupDirectory(hierarchy, path)]
    })
  }

  /** Processor time of all that ran on it, seconds; of a process that nobody waited for, none. Known once {@link run} has resolved. */
  processorSeconds = 0

  /** Runs a program on it, once, and returns the exit code; whatever is left then ends. The output is a descriptor of this process, or its own. */
  async run(program: readonly string[], output: number | 'inherit'): Promise<number> {
    const own = [this.#cgroups.length > 0 ? ['cgroup'] : [], this.#network === 'own' ? ['net'] : []].flat()
    const init = [process.execPath, 'setup/gate/own-host-init.ts', this.directory, own.join()]
    const unshare = ['unshare', ...namespaces, ...(own.includes('net') ? ['--net'] : []), ...init]
    const argv = [...this.#inCgroups(), ...unshare, ...program]
    const streams = { stdin: 'ignore', stdout: output, stderr: output } as const
    // Bun's default is the environment that this process began with: what it has set since, the VMM of the tests, would be lost.
    const child = ownChild(Bun.spawn(argv, { cwd: root, env: process.env, ...streams }))
    const code = await child.exited
    // The end of a pid namespace waits for all that is in it.
    this.processorSeconds = Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1e6
    return code
  }

  /** The beginning of a command line: what is behind it runs in a cgroup namespace of its own. */
  #inCgroups(): string[] {
    if (this.#cgroups.length === 0) return []
    const then = (steps: readonly string[]) => ['sh', '-c', `${steps.join(' && ')} && exec "$@"`, 'sh']
    const enter = (cgroup: string) => `echo $$ >'${cgroup}/cgroup.procs'`
    // A cgroup of version 2 with a process in it gives its controllers to no other.
    const leaves = this.#cgroups.filter(isVersion2).map((cgroup) => `${cgroup}/init`)
    const leave = leaves.map((leaf) => `mkdir '${leaf}' && ${enter(leaf)}`)
    // A cgroup namespace begins where the process is that makes it.
    return [...then(this.#cgroups.map(enter)), 'unshare', '--cgroup', ...then(['true', ...leave])]
  }

  /** A cgroup that processes are still in is left, for a later run to find. */
  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.directory, { recursive: true, force: true })
    for (const until = Date.now() + cgroupsGoneMs; Date.now() < until; await Bun.sleep(50))
      if (this.#cgroups.filter(existsSync).map(removeEmptyCgroups).every(Boolean)) return
  }
}

const isVersion2 = (cgroup: string): boolean => existsSync(`${cgroup}/cgroup.controllers`)
