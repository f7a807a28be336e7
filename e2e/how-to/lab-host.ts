/**
 * The lab host for the commands of a page: nothing stands in for anything. systemd restarts the host's own containerd, and what the page
 * writes is written. Afterwards the host is as it was installed.
 */
import { copyFileSync, renameSync, rmSync } from 'node:fs'
import { ownDirectory } from '../harness/directories.ts'
import { tool } from '../harness/host/disks.ts'
import type { Outcome } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import type { Host } from './host.ts'

const commandDeadlineMs = slow(120_000)
const configuration = '/etc/containerd/config.toml'
/** As Debian's package has it: kept when kata-ts was installed here. */
const asPackaged = `${configuration}.debian`
/** Where the page's own commands unpacked kata-ts. */
const unpacked = '/root/kata-ts-install'

export class LabPageHost implements Host {
  readonly directory = ownDirectory('/var/lib/kata-ts-e2e-page-')
  readonly socket = '/run/containerd/containerd.sock'
  /** Blocks that would change another host. */
  readonly alsoRuns = ['kvm-group']
  readonly #kept = `${configuration}.kept`

  constructor() {
    copyFileSync(configuration, this.#kept)
    copyFileSync(asPackaged, configuration)
    tool(['systemctl', 'restart', 'containerd'])
  }

  async run(script: string): Promise<Outcome> {
    const child = Bun.spawn(['sh', '-euc', script], {
      cwd: unpacked,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root' },
      timeout: commandDeadlineMs,
    })
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ])
    return { code, stdout, stderr }
  }

  log(): string {
    return Bun.spawnSync(['journalctl', '--unit', 'containerd', '--no-pager', '-n', '100']).stdout.toString()
  }

  async close(): Promise<void> {
    rmSync(this.directory, { recursive: true, force: true })
    rmSync('/etc/cni/net.d/10-kata-ts.conflist', { force: true })
    renameSync(this.#kept, configuration)
    tool(['systemctl', 'restart', 'containerd'])
  }
}
