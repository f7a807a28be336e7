/** What a container has changed of its image's files, as `docker diff` tells it. */
import { isWhiteout, type WalkOptions, walkFiles } from './file-tree.ts'

/** Added, changed or deleted. */
export interface Change {
  readonly kind: 'A' | 'C' | 'D'
  /** Absolute, in the container. */
  readonly path: string
}

/** The directory that the runtime makes for its own files; by itself it is no change. */
const ofRuntime = '/etc'

/** `layers` topmost first. @throws as {@link walkFiles}. */
export async function* changesOf(
  layers: readonly string[],
  options: Omit<WalkOptions, 'below'>,
): AsyncGenerator<Change> {
  let waiting: Change | undefined
  for await (const { path, stat, isBelow } of walkFiles(layers, { ...options, below: false })) {
    if (path.length === 0 || (isWhiteout(stat) && !isBelow)) continue
    const kind = isWhiteout(stat) ? 'D' : isBelow ? 'C' : 'A'
    const change: Change = { kind, path: `/${path.toString()}` }
    if (change.path === ofRuntime && stat.isDirectory()) {
      waiting = change
      continue
    }
    if (waiting !== undefined && change.path.startsWith(`${ofRuntime}/`)) {
      yield waiting
      waiting = undefined
    }
    yield change
  }
}
