/** What every double asks of the QEMU underneath. */

/** The processor that the real program would take from the host. */
export const guestCpu = ['-accel', 'tcg,tb-size=128', '-cpu', 'max,-erms,-fsrm,-fsrs,-fzrm'] as const

export const quietMachine = [
  ...['-no-user-config', '-nodefaults', '-display', 'none', '-no-reboot', '-S'],
  ...['-rtc', 'base=utc,clock=host'],
] as const
