/**
 * A system to install in: the files of a directory with a layer of their own above them, in a mount namespace of its own. Nothing that
 * happens in it reaches those files.
 */
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { busyboxPath } from '../../setup/paths.ts'
import { ownDirectory } from '../harness/directories.ts'
import { eventually } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'

export interface Ended {
  readonly code: number
  readonly output: string
}

/** /run is empty in it, and so are our directories in /var, of which that of containers is on the file system of `shared`. */
const enter = `set -e
mount -t tmpfs tmpfs "$0"
mkdir "$0/up" "$0/work" "$0/root"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$0/up,workdir=$0/work" "$0/root"
cd "$0/root"
for name in dev sys proc; do mount --rbind /$name $name; done
mkdir -p mnt run tmp var/cache/kata-ts var/lib/kata-ts "$1/state"
for name in run tmp var/cache/kata-ts; do mount -t tmpfs tmpfs $name; done
mkdir -p run/lock run/user
mount --bind "$1" mnt
# Overlayfs takes no id map, which shares of containers need.
mount --bind "$1/state" var/lib/kata-ts
pivot_root . tmp
mnt/busybox umount -l /tmp
echo ready
exec mnt/busybox sleep 100000`

export class InnerRoot {
  readonly #directory = ownDirectory('/var/tmp/kata-ts-root-')
  readonly #holder: Bun.Subprocess<'ignore', 'pipe', 'inherit'>

  /** The system `lower`, with the directory `shared` in its /mnt. */
  constructor(lower: string, shared: string) {
    mkdirSync(this.#directory, { recursive: true })
    // The system may have no umount.
    const busybox = join(shared, 'busybox')
    if (!existsSync(busybox)) copyFileSync(busyboxPath, busybox)
    this.#holder = Bun.spawn(
      ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', enter, this.#directory, shared, lower],
      { stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' },
    )
  }

  async ready(): Promise<void> {
    const { value } = await this.#holder.stdout.getReader().read()
    if (Buffer.from(value ?? '').toString() !== 'ready\n')
      throw new Error('no system of its own could be made')
  }

  /** Runs a command line of sh in it, and waits until its streams end: what it leaves behind must have let go of them. */
  async run(line: string): Promise<Ended> {
    const command = ['nsenter', `--mount=/proc/${this.#holder.pid}/ns/mnt`, 'sh', '-c', `${line} 2>&1`]
    const child = Bun.spawn(command, {
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'inherit',
      env: {
        PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        DEBIAN_FRONTEND: 'noninteractive',
        LC_ALL: 'C.UTF-8',
      },
      timeout: slow(240_000),
    })
    const [output, code] = await Promise.all([child.stdout.text(), child.exited])
    return { code, output }
  }

  async close(): Promise<void> {
    this.#holder.kill('SIGKILL')
    await this.#holder.exited
    await eventually('the end of its mounts', () => {
      rmSync(this.#directory, { recursive: true, force: true })
      return true
    })
  }
}
