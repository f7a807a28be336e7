/** Which Landlock the kernel has (landlock(7)); the rules themselves are applied by setpriv(1). */
import { libc } from '../libc.ts'

const SYS_landlock_create_ruleset = 444
const LANDLOCK_CREATE_RULESET_VERSION = 1

/** The Landlock ABI version of the running kernel; 0 when it has none or it is switched off. */
export function landlockAbi(): number {
  const version = Number(
    libc.syscall(SYS_landlock_create_ruleset, 0, 0, LANDLOCK_CREATE_RULESET_VERSION, 0, 0, 0),
  )
  return Math.max(version, 0)
}
