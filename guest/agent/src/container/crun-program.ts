/** The program crun, where no container can write to it. */
import { remove } from 'os'
import { sealedCopy } from 'syscalls'

const installed = '/usr/bin/crun'

export const crunEnvironment = ['PATH=/usr/sbin:/usr/bin']

/**
 * Path to run it by. A container could overwrite crun through /proc/PID/exe (CVE-2019-5736), so crun copies itself into sealed memory and starts
 * again at every call, unless it finds that it runs from there. One copy serves all calls; under emulation each new one would
 * be translated anew.
 */
export function sealCrun({ inInitramfs }: { inInitramfs: boolean }): string {
  const fd = sealedCopy(installed)
  // Gives its memory back.
  if (inInitramfs) remove(installed)
  return `/proc/self/fd/${fd}`
}
