/** A directory as an archive, the same bytes for the same files. */
import { mustRunTool, type ToolContext } from '../../src/guest-image/child.ts'

export interface Archived {
  readonly tree: string
  /** What of the tree goes into it, with its path. */
  readonly member: string
  /** The time of everything in it, seconds since 1970. */
  readonly epoch: number
}

/** Writes `file`, a tar archive packed by zstd in which everything is root's. @throws KataError IMAGE_TOOL_*, IMAGE_DISK_FULL. */
export async function archive(
  file: string,
  { tree, member, epoch }: Archived,
  tools: ToolContext,
): Promise<void> {
  await mustRunTool(
    [
      'tar',
      ...[
        '--sort=name',
        `--mtime=@${epoch}`,
        '--owner=0',
        '--group=0',
        '--numeric-owner',
        '--mode=u+rw,go+r-w',
      ],
      ...['--use-compress-program=zstd -T1 -12', '--create', `--file=${file}`, `--directory=${tree}`],
      member,
    ],
    file,
    { ...tools, timeout: 20 * 60_000 },
  )
}
