/**
 * The layers of a root file system as one erofs in a file, by mkfs.erofs of erofs-utils. What it reads is the work of an image's author:
 * names and bytes, which it copies and does not follow. It writes to one file. A directory of the host (`--rootfs`) may be changed meanwhile: it
 * opens again by name what it has looked at, and would follow a link that stands there by then.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, symlinkSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { removeTree } from '../linux/files/remove-tree.ts'
import { diskTool } from '../linux/processes/disk-tool.ts'
import { runTool } from '../linux/processes/run-tool.ts'
import { lastWords } from '../plain-text.ts'

export interface ErofsRequest {
  /** Host directories, topmost first. */
  readonly layers: readonly string[]
  /** The file to make. */
  readonly target: string
  /** A directory to make and remove, on the file system of `target`; its name is one that the sweep of leftovers knows. */
  readonly scratch: string
  /** 32 hexadecimal digits or more, from which the file system has its UUID: the same layers give the same bytes. */
  readonly key: string
  /** For errors. */
  readonly container: string
  readonly signal: AbortSignal
}

/** Time limit for a root file system of many gigabytes, milliseconds. */
const makeMs = 600_000

/**
 * Root's own steps, in a mount namespace of their own: short names for the layers, since mount(2) takes one page of options. An overlay
 * of layers that are only read is read-only itself.
 */
const overlayScript =
  'cd "$1" && mount -i -t overlay -o "nosuid,nodev,lowerdir=$2" overlay merged && shift 2 && exec "$@"'
/** The same of one layer, which may be a directory of the host: there no link leads anywhere. */
const bindScript =
  'cd "$1" && mount -i --bind -o ro,nosuid,nodev,nosymfollow "$2" merged && shift 2 && exec "$@"'

/**
 * Makes the file, checks it, and gives it its name last.
 *
 * @throws KataError ROOTFS_DISK_TOOL, ROOTFS_DISK_FAILED; the signal's reason. Nothing is left then.
 */
export async function makeErofs(request: ErofsRequest): Promise<void> {
  const { layers, target, scratch, key } = request
  const disk = `${scratch}/disk`
  mkdirSync(scratch, { mode: 0o700 })
  try {
    const make = [
      ...[diskTool('mkfs.erofs'), '--quiet', '-T0', '--mkfs-time', '--preserve-mtime'],
      ...['-U', uuidOf(key), disk, `${scratch}/merged`],
    ]
    await mustRun(request, [...shown(layers, scratch), ...make])
    await mustRun(request, [diskTool('fsck.erofs'), disk])
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

/** The beginning of a command line that sees the layers as one directory, `<scratch>/merged`. */
function shown(layers: readonly string[], scratch: string): string[] {
  mkdirSync(`${scratch}/merged`)
  const [only = '', ...others] = layers
  const own = [diskTool('unshare'), '--mount', '--propagation', 'private', '--', diskTool('sh'), '-c']
  if (others.length === 0) return [...own, bindScript, 'sh', scratch, only]
  for (const [index, layer] of layers.entries()) symlinkSync(layer, `${scratch}/${index}`)
  return [...own, overlayScript, 'sh', scratch, layers.map((_, index) => index).join(':')]
}

async function mustRun(
  { container, signal }: Pick<ErofsRequest, 'container' | 'signal'>,
  argv: readonly string[],
): Promise<void> {
  signal.throwIfAborted()
  const { code, stdout, stderr } = await runTool(argv, {
    timeoutMs: makeMs,
    signal,
    env: { LIBMOUNT_FORCE_MOUNT2: 'always' },
  })
  signal.throwIfAborted()
  if (code !== 0)
    throw new KataError('ROOTFS_DISK_FAILED', { container, reason: lastWords(stderr || stdout) })
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
