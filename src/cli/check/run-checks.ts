/** `kata-ts check` as a library: checks everything that a start needs of the host, without starting anything. */
import { describeError, KataError } from '../../errors.ts'
import { type Check, type CheckContext, type CheckResult, failed, type Outcome, ok } from './check.ts'
import { deviceChecks } from './device-checks.ts'
import { idmapChecks } from './idmap-checks.ts'
import { kvmChecks } from './kvm-checks.ts'
import { networkChecks } from './network-checks.ts'
import { programChecks } from './program-checks.ts'
import { rootlessChecks } from './rootless-checks.ts'
import { systemChecks } from './system-checks.ts'
import { vmmChecks } from './vmm-checks.ts'
import { wallChecks } from './wall-checks.ts'

const guestImage: Check = {
  name: 'guest-image',
  run: async ({ host, config }) => {
    try {
      return ok(await host.verifyImage(config.hypervisor))
    } catch (error) {
      if (!(error instanceof KataError)) throw error
      return failed(error.rawMessage, error.remedy)
    }
  },
}

/** All checks in the order in which they are shown. */
export const checks: readonly Check[] = [
  ...systemChecks,
  ...kvmChecks,
  ...vmmChecks,
  ...programChecks,
  ...idmapChecks,
  ...networkChecks,
  ...deviceChecks,
  guestImage,
  ...rootlessChecks,
  ...wallChecks,
]

/** Runs all checks; a check that breaks is a failed check, never an exception. */
export function runChecks(context: CheckContext, list: readonly Check[] = checks): Promise<CheckResult[]> {
  return Promise.all(list.map(async (check) => ({ name: check.name, ...(await outcomeOf(check, context)) })))
}

async function outcomeOf(check: Check, context: CheckContext): Promise<Outcome> {
  try {
    return await check.run(context)
  } catch (error) {
    return failed(`the check itself broke: ${describeError(error)}`, 'Report it with this text.')
  }
}
