/** The log of a container, as the command line asks its shim for it. */
import type { LogBounds, LogStream } from './container-log.ts'

export interface LogTarget {
  readonly path: string
  readonly stream: LogStream
  readonly bounds: LogBounds
  /** A FIFO that gets the same for the reader that it has from the beginning, until that has gone. */
  readonly reader?: string | undefined
}

/**
 * A `file://` URI with what a containerd never says: which stream it is of a log with both. With a reader it has a scheme of its own: a shim of
 * an earlier version that waits with a machine would leave the reader out, and refuses what it does not know.
 */
export function logUri({ path, stream, bounds, reader }: LogTarget): string {
  const { maxBytes, maxFiles } = bounds
  // A shim of an earlier version decodes no more than encodeURI escapes. It leaves what would end the path.
  const escaped = encodeURI(path).replace(/[?#]/g, encodeURIComponent)
  const target = `${escaped}?stream=${stream}&max-bytes=${maxBytes}&max-files=${maxFiles}`
  return reader === undefined ? `file://${target}` : `log://${target}&reader=${encodeURIComponent(reader)}`
}

/** What {@link logUri} made the URI of; undefined for another one. */
export function parseLogUri(uri: string): LogTarget | undefined {
  if (!/^(file|log):\/\//.test(uri)) return undefined
  const { pathname, searchParams } = new URL(uri)
  const stream = searchParams.get('stream')
  if (stream !== 'stdout' && stream !== 'stderr') return undefined
  const [maxBytes, maxFiles] = ['max-bytes', 'max-files'].map((name) => Number(searchParams.get(name)))
  if (!maxBytes || !maxFiles) return undefined
  const reader = searchParams.get('reader') ?? undefined
  return { path: decodeURIComponent(pathname), stream, bounds: { maxBytes, maxFiles }, reader }
}

/** The file that was current `age` rotations ago; 0 is the current one. */
export function olderLog(path: string, age = 1): string {
  return age === 0 ? path : `${path}.${age}`
}
