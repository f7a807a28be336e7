/** Block devices for tests: loop devices over files of their own; and who has them open. */
import {
  chmodSync,
  chownSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { type DeviceNumbers, deviceNumbers } from '../../../src/linux/device-numbers.ts'
import { processesOfUid, readProc, readStatus } from '../../../src/linux/processes/proc.ts'
import { ownDirectory } from '../directories.ts'

export class LoopDevice implements Disposable {
  /** `/dev/loop<n>` */
  readonly path: string
  /** What is behind it. */
  readonly file: string
  readonly #dir: string

  /** An empty device of so many MiB, or one with an ext4 on it. */
  constructor(sizeMiB: number, { ext4 = false }: { readonly ext4?: boolean } = {}) {
    this.#dir = ownDirectory('/var/tmp/kata-ts-loop-')
    this.file = `${this.#dir}/disk.img`
    writeFileSync(this.file, '')
    truncateSync(this.file, sizeMiB << 20)
    if (ext4) tool(['mke2fs', '-q', '-t', 'ext4', this.file])
    this.path = tool(['losetup', '--find', '--show', this.file]).trim()
    // Where udev gives it to a group, as on most hosts, once it is done.
    if (Bun.which('udevadm') !== null) tool(['udevadm', 'settle'])
    chownSync(this.path, 0, 0)
    chmodSync(this.path, 0o600)
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

  /** To so many MiB. */
  grow(sizeMiB: number): void {
    truncateSync(this.file, sizeMiB * 2 ** 20)
    tool(['losetup', '--set-capacity', this.path])
  }

  [Symbol.dispose](): void {
    tool(['losetup', '--detach', this.path])
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

/**
 * Where /proc tells of the descriptors (`fdinfo`) with which a VMM, or another process of its user, has that device or file
 * open, by whatever name.
 */
export function heldOpen(pid: number, path: string): string[] {
  const wanted = statSync(path, { throwIfNoEntry: false })
  if (wanted === undefined) return []
  const { rdev, dev, ino } = wanted
  const uid = readStatus(`/proc/${pid}/status`)?.get('Uid')?.split('\t')[0]
  const processes = uid === '0' ? [pid] : processesOfUid(Number(uid))
  return processes.flatMap((process) =>
    readdirSync(`/proc/${process}/fd`).flatMap((fd) => {
      const open = statSync(`/proc/${process}/fd/${fd}`, { throwIfNoEntry: false })
      const same =
        open !== undefined && (rdev === 0 ? open.dev === dev && open.ino === ino : open.rdev === rdev)
      return same ? [`/proc/${process}/fdinfo/${fd}`] : []
    }),
  )
}

/** The loop devices that a file is behind. */
export const loopsOf = (file: string): string[] =>
  tool(['losetup', '--associated', file, '--output', 'NAME', '--noheadings']).split('\n').filter(Boolean)

/** It and what stands for it: a VMM that takes no descriptors has a loop device open in the file's place. */
export const nodesOf = (disk: string): string[] => [disk, ...loopsOf(disk)]

/** Makes a file that holds an ext4 of so many MiB, empty or with the files of a directory. */
export function makeExt4(file: string, sizeMiB: number, directory?: string): void {
  const content = directory === undefined ? [] : ['-d', directory]
  tool(['mke2fs', '-q', '-t', 'ext4', ...content, file, `${sizeMiB}m`])
}

/** Whoever has it mounted, in whichever mount namespace of the host: lines of mountinfo(5) that name the device or file. */
export function mountsOf(source: string): string[] {
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const lines = processes.flatMap((pid) => (readProc(`/proc/${pid}/mountinfo`) ?? '').split('\n'))
  return [...new Set(lines.filter((line) => line.split(' ').includes(source)))]
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
