/**
 * The layers of a root file system as one erofs in a file, by mkfs.erofs of erofs-utils. What it reads is the work of an image's author, so
 * it runs in a jail. A directory of the host (`--rootfs`) may be changed meanwhile. mkfs.erofs opens again by name what it has looked at, and
 * follows a link that stands there by then: no further than to the jail's root.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { KataError } from '../errors.ts'
import { removeTree } from '../linux/files/remove-tree.ts'
import { diskTool } from '../linux/processes/disk-tool.ts'
import { lastWords } from '../plain-text.ts'
import { askingLayer } from '../rootless/jail/jail-plan.ts'
import type { JailTree } from '../rootless/jail/launch-spec.ts'
import { runConfined } from '../rootless/run-confined.ts'

export interface ErofsRequest {
  /** Host directories, topmost first. */
  readonly layers: readonly string[]
  /** The only layer, open: what is read has to be this directory, as another user may have put something else in its place. */
  readonly opened?: number
  /** The file to make. */
  readonly target: string
  /** A directory to make and remove, on the file system of `target`; its name is one that the sweep of leftovers knows. */
  readonly scratch: string
  /** How large the file may become; a tenth of what is free on its file system is left in any case. Absent: no other bound. */
  readonly mostBytes?: number | undefined
  /** 32 hexadecimal digits or more, from which the file system has its UUID: the same layers give the same bytes. */
  readonly key: string
  /** For errors. */
  readonly container: string
  readonly signal: AbortSignal
}

/** Time limit for a root file system of many gigabytes, milliseconds. */
const makeMs = 600_000

/** Where the tools see what they read and write. */
const inside = { tree: '/tree/merged', disk: '/disk' } as const
const diskIn = (scratch: string): string => `${scratch}/disk`

/**
 * Makes the file, checks it, and gives it its name last.
 *
 * @throws KataError ROOTFS_DISK_TOOL, ROOTFS_DISK_FAILED, SHARE_SOURCE_CHANGED, those of {@link runConfined}; the signal's reason. Nothing is left then.
 */
export async function makeErofs(request: ErofsRequest): Promise<void> {
  const { layers, target, scratch, key, container } = request
  const disk = diskIn(scratch)
  const absent = layers.find((layer) => !existsSync(layer))
  if (absent !== undefined)
    throw new KataError('ROOTFS_DISK_FAILED', { container, reason: `${absent} is not there` })
  mkdirSync(scratch, { mode: 0o700 })
  try {
    closeSync(openSync(disk, 'wx', 0o600))
    const make = [
      '--quiet',
      '-T0',
      '--mkfs-time',
      '--preserve-mtime',
      '-U',
      uuidOf(key),
      inside.disk,
      inside.tree,
    ]
    await mustRun(request, 'mkfs.erofs', make, { target: inside.tree, layers })
    await mustRun(request, 'fsck.erofs', [inside.disk])
    const fd = openSync(disk, 'r')
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(disk, target)
  } finally {
    await removeTree(scratch)
  }
}

function isSame(path: string, fd: number): boolean {
  const [there, wanted] = [statSync(path, { bigint: true }), fstatSync(fd, { bigint: true })]
  return there.dev === wanted.dev && there.ino === wanted.ino
}

async function mustRun(
  { container, signal, scratch, opened, mostBytes = Number.POSITIVE_INFINITY }: ErofsRequest,
  tool: string,
  args: readonly string[],
  tree?: JailTree,
): Promise<void> {
  const check = (root: string) => {
    if (opened === undefined || tree === undefined) return
    const shown = existsSync(`${root}${askingLayer}`) ? askingLayer : tree.target
    if (!isSame(`${root}${shown}`, opened))
      throw new KataError('SHARE_SOURCE_CHANGED', { source: tree.layers[0] ?? '', container })
  }
  const most = Math.min(mostBytes, roomIn(scratch))
  const { code, stdout, stderr } = await runConfined({
    program: diskTool(tool),
    args,
    ...(tree && { tree, check }),
    disk: { source: diskIn(scratch), target: inside.disk, mostBytes: most },
    directory: scratch,
    timeoutMs: makeMs,
    signal,
  })
  if (code === 0) return
  const reason = stderr.includes('File too large')
    ? `it would be larger than ${Math.floor(most / 2 ** 20)} MiB`
    : lastWords(stderr || stdout)
  throw new KataError('ROOTFS_DISK_FAILED', { container, reason })
}

/** What may be taken of the free space that a directory's file system has, bytes. */
function roomIn(directory: string): number {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize * 0.9
}

function uuidOf(key: string): string {
  return [
    [0, 8],
    [8, 12],
    [12, 16],
    [16, 20],
    [20, 32],
  ]
    .map(([from, to]) => key.slice(from, to))
    .join('-')
}
