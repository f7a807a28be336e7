/** Setting kernel parameters of the machine. */
import { sysctlRefused } from '../errors.ts'
import { errnoName, set } from './files.ts'
import { sysctlPath } from './sysctl-names.ts'

/** @throws TtrpcError INVALID_ARGUMENT naming the parameter that the guest's kernel does not have or does not take. */
export function setSysctls(sysctls: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(sysctls)) {
    const path = sysctlPath(name)
    try {
      set(path, value)
    } catch (error) {
      throw sysctlRefused(`sysctl ${name}=${value} cannot be set in the guest: ${errnoName(error)}`, error)
    }
  }
}
