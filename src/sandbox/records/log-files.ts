/** The log files of a detached container: the command line asks its shim for them, and reads them. */

/** In the query of a `file://` URI: bytes after which the file becomes `<path>.1` and a new one begins. A containerd sends none. */
export const rotateAt = 'rotate-at'

/** A container that never stops talking keeps twice as much of each stream. */
export const mostLogBytes = 16 * 2 ** 20

export function logUri(path: string): string {
  return `file://${encodeURI(path)}?${rotateAt}=${mostLogBytes}`
}

/** Path of the older half, once there is one. */
export function olderLog(path: string): string {
  return `${path}.1`
}
