/**
 * A host for the commands of a page to be run on as they are written: a mount namespace in which /etc, /usr/local and
 * containerd's directories are the page's own. One thing is a stand-in: `systemctl restart containerd` starts a real
 * containerd, since no systemd runs where the tests do.
 */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { kvmObstacle } from '../../src/vmm/kvm/kvm-obstacle.ts'
import { askedAccelerator } from '../harness/configuration.ts'
import { ownDirectory } from '../harness/directories.ts'
import { eventually, type Outcome } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'

const repository = resolve(import.meta.dir, '../..')
const commandDeadlineMs = slow(120_000)
/** As systemd gives it to containerd, and a login to root. */
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** `$1` is a directory of the host's for what is written. */
const ownWorld = `set -eu
for tree in /etc /usr/local; do
  mkdir -p "$1$tree/upper" "$1$tree/work"
  mount -t overlay -o "lowerdir=$tree,upperdir=$1$tree/upper,workdir=$1$tree/work" overlay "$tree"
done
rm -rf /etc/cni /etc/kata-ts
# Users that a killed test run left on the host. The page asks whether it left any itself.
for file in passwd group shadow gshadow; do
  if grep -q '^kata-[0-9]*:' "/etc/$file"; then sed -i '/^kata-[0-9]*:/d' "/etc/$file"; fi
done
mkdir -p "$1/containerd"
mount --bind "$1/containerd" /var/lib/containerd
mount -t tmpfs tmpfs /run/containerd
mount -t tmpfs tmpfs /var/lib/cni
echo ready
exec sleep infinity`

const systemctl = (directory: string) => `#!/bin/sh
# Stands in for systemd.
[ "$*" = 'restart containerd' ] || { echo "systemctl $*: not this one" >&2; exit 64; }
containerd >>${directory}/log 2>&1 </dev/null &
echo $! >${directory}/pid
until ctr version >/dev/null 2>&1; do sleep 0.1; done
`

/** Mount points that a host without containerd's package does not have; made for the time of the test. */
const mountPoints = ['/run/containerd', '/var/lib/containerd', '/var/lib/cni']

/** Where the commands of a page are run. */
export interface Host {
  /** For what a test makes beside the page. */
  readonly directory: string
  /** containerd's. */
  readonly socket: string
  /** Names of blocks that this host runs though a remark says that the test does not. */
  readonly alsoRuns: readonly string[]
  /** Runs a block as root's shell would, where kata-ts lies built. */
  run(script: string): Promise<Outcome>
  /** What containerd and the shims it started have said. */
  log(): string
  close(): Promise<void>
}

export class PageHost implements Host {
  /** Emulation has to be asked for by name. */
  readonly alsoRuns: readonly string[] =
    askedAccelerator === 'tcg' || kvmObstacle({ byGroup: true }) !== undefined ? ['tcg'] : []
  readonly directory = ownDirectory('/var/lib/kata-ts-e2e-page-')
  readonly #made = mountPoints.filter((point) => mkdirSync(point, { recursive: true }) !== undefined)
  readonly #holder = Bun.spawn(
    ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', ownWorld, 'sh', this.directory],
    { stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' },
  )

  /** containerd's socket as it is reached from outside. */
  get socket(): string {
    return `/proc/${this.#holder.pid}/root/run/containerd/containerd.sock`
  }

  static async start(): Promise<PageHost> {
    const host = new PageHost()
    mkdirSync(`${host.directory}/bin`)
    writeFileSync(`${host.directory}/bin/systemctl`, systemctl(host.directory))
    chmodSync(`${host.directory}/bin/systemctl`, 0o755)
    const { value } = await host.#holder.stdout.getReader().read()
    if (value === undefined) throw new Error('the mount namespace of the page could not be made')
    return host
  }

  /** Runs a block as root's shell in a checkout of this repository would. */
  async run(script: string): Promise<Outcome> {
    const namespace = `--mount=/proc/${this.#holder.pid}/ns/mnt`
    const child = Bun.spawn(['nsenter', namespace, `--wd=${repository}`, 'sh', '-euc', script], {
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      env: { PATH: `${this.directory}/bin:${path}`, HOME: '/root' },
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), commandDeadlineMs)
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ])
    clearTimeout(timer)
    return { code, stdout, stderr }
  }

  /** What containerd and the shims it started have said. */
  log(): string {
    try {
      return readFileSync(`${this.directory}/log`, 'utf8')
    } catch {
      return ''
    }
  }

  /** Ends containerd and takes everything away. */
  async close(): Promise<void> {
    await this.#endContainerd()
    this.#holder.kill('SIGKILL')
    await this.#holder.exited
    rmSync(this.directory, { recursive: true, force: true })
    for (const point of this.#made) rmSync(point, { recursive: true, force: true })
  }

  async #endContainerd(): Promise<void> {
    let pid: number
    try {
      pid = Number(readFileSync(`${this.directory}/pid`, 'utf8'))
      process.kill(pid, 'SIGTERM')
    } catch {
      return
    }
    await eventually('the end of containerd', () => isGone(pid), 10_000)
  }
}

/** Or a zombie: where the tests run, PID 1 may not reap. */
function isGone(pid: number): true | undefined {
  try {
    const state = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]![0]
    return state === 'Z' || undefined
  } catch {
    return true
  }
}
