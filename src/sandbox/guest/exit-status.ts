/** Exit statuses of the guest's processes, as the host reports them. */

/** Reported when the real status is lost with the machine (Kata uses the same number). */
export const lostExitStatus = 255

/** An exit status is a byte. Any other answer of a guest counts as none. */
export function exitStatusOf(claim: number): number {
  return Number.isInteger(claim) && claim >= 0 && claim <= 255 ? claim : lostExitStatus
}
