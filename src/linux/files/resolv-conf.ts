/** How this host resolves names. */
import { readFileSync } from 'node:fs'

/** The text of resolv.conf(5); none where there is no file, which means that the host has no name server. */
export function hostResolvConf(path = '/etc/resolv.conf'): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
