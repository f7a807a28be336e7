/**
 * The standard input of a container that nobody may be attached to, as the command line asks its shim for it: a FIFO whose writers
 * come and go. The shim holds it open, so that the process sees no end of it.
 */

const scheme = 'fifo://'

export function heldInput(path: string): string {
  return `${scheme}${encodeURI(path)}`
}

/** The FIFO of {@link heldInput}; undefined for another URI. */
export function heldInputPath(uri: string): string | undefined {
  return uri.startsWith(scheme) ? decodeURI(uri.slice(scheme.length)) : undefined
}
