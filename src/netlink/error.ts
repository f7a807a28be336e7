/** The errors of a netlink socket. They depend on nothing else, so that host and guest share them. */

/** Names of the errnos that rtnetlink answers with (errno(3)); callers distinguish them by name. */
const names: Readonly<Record<number, string>> = {
  1: 'EPERM',
  2: 'ENOENT',
  3: 'ESRCH',
  6: 'ENXIO',
  11: 'EAGAIN',
  12: 'ENOMEM',
  13: 'EACCES',
  16: 'EBUSY',
  17: 'EEXIST',
  19: 'ENODEV',
  22: 'EINVAL',
  24: 'EMFILE',
  28: 'ENOSPC',
  34: 'ERANGE',
  95: 'EOPNOTSUPP',
  97: 'EAFNOSUPPORT',
  99: 'EADDRNOTAVAIL',
  100: 'ENETDOWN',
  101: 'ENETUNREACH',
  105: 'ENOBUFS',
  113: 'EHOSTUNREACH',
}

/** The kernel refused a request. */
export class NetlinkError extends Error {
  /** Name of the errno, `EEXIST`. */
  readonly errno: string
  constructor(request: string, errno: number, reason: string) {
    const name = names[errno] ?? `errno ${errno}`
    super(`${request}: ${name}${reason === '' ? '' : ` (${reason})`}`)
    this.errno = name
  }
}

/** The received bytes do not follow netlink(7), or are unreasonably many. */
export class NetlinkFormatError extends Error {}

/** Runs `action`; a refusal with one of these errnos is as good as success. */
export function tolerate(errnos: readonly string[], action: () => void): void {
  try {
    action()
  } catch (error) {
    if (!(error instanceof NetlinkError) || !errnos.includes(error.errno)) throw error
  }
}
