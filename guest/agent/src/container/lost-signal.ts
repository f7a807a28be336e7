/** Signals that the kernel keeps from the first process of a pid namespace. Pure: tested on the host. */

const SYS_rt_sigtimedwait = '128 '

/**
 * Whether `signal` would do nothing although the process has not asked for that: it is the first of its namespace, and has neither a
 * handler (SigCgt of proc_pid_status(5)) nor keeps the signal for a signalfd (SigBlk) nor waits by sigwaitinfo(2), as inits do. In that call
 * the kernel shows nothing as blocked. A process that ignores the signal (SigIgn) has asked for that.
 *
 * @param status of /proc/PID. @param syscall the same.
 */
export function losesSignal(status: string, syscall: string | undefined, signal: number): boolean {
  const numbers = /^NSpid:\s*(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? []
  const masks = [...status.matchAll(/^Sig(?:Cgt|Blk|Ign):\s*([0-9a-f]+)$/gm)].map(([, mask]) =>
    BigInt(`0x${mask}`),
  )
  const isKnown = masks.some((mask) => ((mask >> BigInt(signal - 1)) & 1n) === 1n)
  return numbers.at(-1) === '1' && !isKnown && !syscall?.startsWith(SYS_rt_sigtimedwait)
}
