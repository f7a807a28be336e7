/** Block devices for tests: loop devices over files of their own; and who has them open. */
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { type DeviceNumbers, deviceNumbers } from '../../src/linux/device-numbers.ts'

export class LoopDevice implements Disposable {
  /** `/dev/loop<n>` */
  readonly path: string
  /** What is behind it. */
  readonly file: string
  readonly #dir: string

  /** An empty device of so many MiB, or one with an ext4 on it. */
  constructor(sizeMiB: number, { ext4 = false }: { readonly ext4?: boolean } = {}) {
    this.#dir = mkdtempSync('/var/tmp/kata-ts-loop-')
    this.file = `${this.#dir}/disk.img`
    writeFileSync(this.file, '')
    truncateSync(this.file, sizeMiB << 20)
    if (ext4) tool(['mke2fs', '-q', '-t', 'ext4', this.file])
    this.path = tool(['losetup', '--find', '--show', this.file]).trim()
  }

  get numbers(): DeviceNumbers {
    return deviceNumbers(statSync(this.path).rdev)
  }

  /** Type, mode and owner of the node, as `brw------- 0:0`. */
  get node(): string {
    return tool(['stat', '-c', '%A %u:%g', this.path]).trim()
  }

  /** What is on it, past any cache of the host. */
  read(): Buffer {
    tool(['blockdev', '--flushbufs', this.path])
    return readFileSync(this.path)
  }

  [Symbol.dispose](): void {
    tool(['losetup', '--detach', this.path])
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

/** Descriptors with which a process has the path open. */
export function heldOpen(pid: number, path: string): string[] {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === path)
}

/** A file of the ext4 on it, without mounting it; its journal must be clean. */
export function readFromExt4(device: LoopDevice, path: string): string {
  device.read()
  return tool(['debugfs', '-R', `cat ${path}`, device.file])
}

/** @throws Error with what the tool said. */
export function tool(argv: readonly string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...argv], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  })
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`)
  return stdout.toString()
}
