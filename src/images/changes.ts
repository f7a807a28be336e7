/** What a container has changed of its image's files, as `docker diff` tells it. */
import { isWhiteout, type WalkOptions, walkFiles } from './file-tree.ts'

/** Added, changed or deleted. */
export interface Change {
  readonly kind: 'A' | 'C' | 'D'
  /** Absolute, in the container. */
  readonly path: string
}

/**
 * `layers` topmost first. `ofRuntime` is a directory that the runtime makes for its own files, with those above it: by themselves they are no
 * change.
 *
 * @throws as {@link walkFiles}.
 */
export async function* changesOf(
  layers: readonly string[],
  { ofRuntime = '/etc', ...options }: Omit<WalkOptions, 'below'> & { readonly ofRuntime?: string },
): AsyncGenerator<Change> {
  let waiting: Change[] = []
  for await (const { path, stat, isBelow } of walkFiles(layers, { ...options, below: false })) {
    if (path.length === 0 || (isWhiteout(stat) && !isBelow)) continue
    const kind = isWhiteout(stat) ? 'D' : isBelow ? 'C' : 'A'
    const change: Change = { kind, path: `/${path.toString()}` }
    waiting = waiting.filter((above) => change.path.startsWith(`${above.path}/`))
    if (stat.isDirectory() && `${ofRuntime}/`.startsWith(`${change.path}/`)) {
      waiting.push(change)
      continue
    }
    yield* waiting
    waiting = []
    yield change
  }
}
