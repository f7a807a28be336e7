/**
 * A Debian to install packages in: this host's files with a layer of its own above them, in a mount namespace of its own. What is
 * installed on the host satisfies dependencies; nothing that happens in it reaches the host's files.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { ownDirectory } from '../harness/directories.ts'
import { eventually } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'

export interface Ended {
  readonly code: number
  readonly output: string
}

/** /run and /var/cache are empty in it, and so is the directory of containers, which is on the file system of `shared`. */
const enter = `set -e
mount -t tmpfs tmpfs "$0"
mkdir "$0/up" "$0/work" "$0/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/up,workdir=$0/work" "$0/root"
cd "$0/root"
for name in dev sys proc; do mount --rbind /$name $name; done
for name in run tmp var/cache; do mount -t tmpfs tmpfs $name; done
mkdir -p mnt run/lock run/user var/lib/kata-ts "$1/state"
mount --bind "$1" mnt
# Overlayfs takes no id map, which shares of containers need.
mount --bind "$1/state" var/lib/kata-ts
pivot_root . tmp
umount -l tmp
echo ready
exec sleep 100000`

export class DebianRoot {
  readonly #directory = ownDirectory('/var/tmp/kata-ts-debian-')
  readonly #holder: Bun.Subprocess<'ignore', 'pipe', 'inherit'>

  /** Shows the directory `shared` in /mnt. */
  constructor(shared: string) {
    mkdirSync(this.#directory, { recursive: true })
    this.#holder = Bun.spawn(
      ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', enter, this.#directory, shared],
      { stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' },
    )
  }

  async ready(): Promise<void> {
    const { value } = await this.#holder.stdout.getReader().read()
    if (Buffer.from(value ?? '').toString() !== 'ready\n')
      throw new Error('no Debian of its own could be made')
  }

  /** Runs a command line of sh in it, and waits until its streams end: what it leaves behind must have let go of them. */
  async run(line: string): Promise<Ended> {
    const command = ['nsenter', `--mount=/proc/${this.#holder.pid}/ns/mnt`, 'sh', '-c', `${line} 2>&1`]
    const child = Bun.spawn(command, {
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'inherit',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
      timeout: slow(120_000),
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
