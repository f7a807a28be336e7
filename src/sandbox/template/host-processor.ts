/** The host's processor, as far as a guest that runs on it can notice. */
import { closeSync, openSync, readSync } from 'node:fs'

/** The kernel writes the file processor by processor as it is read, and each takes time. The first has two kibibytes. */
const mostBytes = 8192
const facts = /^(vendor_id|cpu family|model|model name|stepping|microcode|flags)\s*: .*$/gm

/**
 * Its model, microcode and features. They change while the host runs: microcode is loaded late and takes features away, and a host that is
 * a machine itself is moved to another one. What a guest found at its boot it uses for good.
 */
export function hostProcessor(file = '/proc/cpuinfo'): string {
  const buffer = Buffer.alloc(mostBytes)
  const fd = openSync(file, 'r')
  try {
    const text = buffer.toString('utf8', 0, readSync(fd, buffer, 0, mostBytes, 0))
    const [first = ''] = text.split('\n\n')
    return (first.match(facts) ?? []).join('\n')
  } finally {
    closeSync(fd)
  }
}
