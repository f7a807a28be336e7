/** How processes of the guest end, as the host tells it. */

/** Reported when nobody can know how a process ended, because its machine is gone (Kata uses the same number). */
export const lostExitStatus = 255

/** An exit status is a byte. A guest that says anything else has said nothing. */
export function exitStatusOf(claim: number): number {
  return Number.isInteger(claim) && claim >= 0 && claim <= 255 ? claim : lostExitStatus
}
