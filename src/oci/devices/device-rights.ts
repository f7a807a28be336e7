/**
 * What a container may do with devices, decided once, from the host's specification as it came. The answer is passed on as a
 * value to all who have to do with devices: disks, VFIO, and the guest's specification.
 *
 * The specification has no word for "privileged": a client either lets the container use every device, or, as containerd with
 * `privileged_without_host_devices`, takes every fence away and allows only what was asked for. In a virtual machine both
 * mean the same: the guest is the container's.
 */
import { isReadOnly } from '../mounts.ts'
import type { DeviceRule } from '../resources.ts'
import type { OciSpec } from '../spec.ts'
import { blockAccess, isAllowed, isAny, isOfAll } from './device-rules.ts'

export interface DeviceRights {
  /** Whether the container has every device. */
  readonly every: boolean
  /**
   * Whether its list of devices is the whole of the host's, and no wish for each; so one was only asked for where a rule names it, or where the
   * container has it under another name. Without the host's devices the list of a privileged container is what it asked for. Absent: no.
   */
  readonly listsHost?: boolean
  /** Rules by the host's numbers, in their order. */
  readonly rules: readonly DeviceRule[]
}

/** A rule without type and numbers speaks of all devices. */
const everyDevice: DeviceRule = Object.freeze({ allow: true, access: 'rwm' })

/** Who holds these is the master of the kernel that it runs on, with or without its device nodes. */
const masterful = ['CAP_SYS_ADMIN', 'CAP_SYS_MODULE', 'CAP_SYS_RAWIO', 'CAP_MKNOD']

/** Pure. */
export function deviceRights(spec: OciSpec): DeviceRights {
  const rules = spec.linux?.resources?.devices ?? []
  if (allowsAll(rules)) return { every: true, listsHost: true, rules }
  return isUnfenced(spec)
    ? { every: true, rules: [everyDevice, ...denialsOfDisks(rules)] }
    : { every: false, rules }
}

/** The rights that a rule about one disk leaves out: a volume that is to be read only stays so, as with runc. */
function denialsOfDisks(rules: readonly DeviceRule[]): DeviceRule[] {
  return rules.flatMap(({ allow, type, major = -1, minor = -1 }) => {
    if (!allow || type !== 'b' || isAny(major) || isAny(minor)) return []
    const granted = blockAccess({ major, minor }, rules)
    const access = [...'rwm'].filter((right) => !granted.includes(right)).join('')
    return access === '' ? [] : [{ allow: false, type, major, minor, access }]
  })
}

/** The last rule about all devices counts. */
function allowsAll(rules: readonly DeviceRule[]): boolean {
  const last = rules.findLast((rule) => isOfAll(rule) && (!isAllowed(rule) || rule.access === 'rwm'))
  return last !== undefined && isAllowed(last)
}

function isUnfenced({ linux = {}, process = {}, mounts = [] }: OciSpec): boolean {
  const { bounding = [] } = process.capabilities ?? {}
  const { maskedPaths = [], readonlyPaths = [], seccomp } = linux
  const sysfs = mounts.find(({ type }) => type === 'sysfs')
  return (
    masterful.every((name) => bounding.includes(name)) &&
    seccomp === undefined &&
    maskedPaths.length === 0 &&
    readonlyPaths.length === 0 &&
    sysfs !== undefined &&
    !isReadOnly(sysfs)
  )
}
