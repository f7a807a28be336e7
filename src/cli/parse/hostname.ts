/** `--hostname`, which goes into files of the container line by line. */
import { KataError } from '../../errors.ts'

/** HOST_NAME_MAX of Linux, bytes. */
const longest = 64
const pattern = /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/

/** @throws KataError OPTION_INVALID. */
export function parseHostname(text: string): string {
  if (text.length <= longest && pattern.test(text)) return text
  throw new KataError('OPTION_INVALID', {
    option: '--hostname',
    value: text.slice(0, 100),
    allowed: `a host name such as db-1, of at most ${longest} characters`,
  })
}

/** That of a container by its name, which may be longer. */
export const hostnameOf = (name: string): string => name.slice(0, longest).replace(/[._-]+$/, '')
