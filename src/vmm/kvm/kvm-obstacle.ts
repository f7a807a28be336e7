/** What tells, without booting anything and at every start anew, that KVM will not do. */
import { closeSync, constants, openSync, readFileSync, statSync } from 'node:fs'
import { kvmGroupProblem } from '../../rootless/identity/kvm-group.ts'

export interface Obstacle {
  readonly reason: string
  /** No VM can be created at all; otherwise one can, but no guest will run well in it. */
  readonly certain: boolean
}

export interface KvmAccessRequest {
  /** The VMM's user gets to the node by its group. */
  readonly byGroup: boolean
  /** Default `/dev/kvm`. */
  readonly kvmDevice?: string | undefined
  /** Default `/proc/cpuinfo`. */
  readonly cpuinfo?: string | undefined
}

export function kvmObstacle(request: KvmAccessRequest): Obstacle | undefined {
  const { byGroup, kvmDevice = '/dev/kvm', cpuinfo = '/proc/cpuinfo' } = request
  const stat = statSync(kvmDevice, { throwIfNoEntry: false })
  if (stat !== undefined && !stat.isCharacterDevice())
    return { reason: `${kvmDevice} is not a device node`, certain: true }
  const missing = stat === undefined ? `${kvmDevice} does not exist` : driverMissing(kvmDevice)
  // Without these no driver can be loaded, so the advice to load one would be none.
  if (!hasVirtualization(cpuinfo))
    return {
      reason: `the CPU shows neither vmx nor svm${missing === undefined ? '' : `, and ${missing}`}`,
      certain: missing !== undefined,
    }
  if (missing !== undefined)
    return { reason: `${missing}: kvm_intel or kvm_amd is not loaded`, certain: true }
  const problem = byGroup ? kvmGroupProblem(kvmDevice) : undefined
  return problem === undefined ? undefined : { reason: problem.rawMessage, certain: false }
}

/** Any other failure to open it proves nothing, because the VMM runs as another user. */
function driverMissing(path: string): string | undefined {
  try {
    closeSync(openSync(path, constants.O_RDWR))
    return undefined
  } catch (error) {
    const isMissing = ['ENODEV', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '')
    return isMissing ? `no driver is behind ${path} (ENODEV)` : undefined
  }
}

function hasVirtualization(cpuinfo: string): boolean {
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync(cpuinfo, 'utf8'))?.[1] ?? ''
  return flags.split(' ').some((flag) => flag === 'vmx' || flag === 'svm')
}
