/** What a container may do with devices: OCI's `linux.resources.devices`. */
import type { DeviceNumbers } from '../../linux/device-numbers.ts'
import type { DeviceRule } from '../resources.ts'
import type { OciDevice } from '../spec.ts'

/**
 * Letters of r, w, m: what may be done with a block device. The last rule that speaks of it and of the right decides; without any nothing
 * is forbidden.
 */
export function blockAccess({ major, minor }: DeviceNumbers, rules: readonly DeviceRule[]): string {
  const isAbout = ({ type = 'a', ...rule }: DeviceRule) =>
    (type === 'a' || type === 'b' || type === '') &&
    (isAny(rule.major) || rule.major === major) &&
    (isAny(rule.minor) || rule.minor === minor)
  const about = rules.filter(isAbout)
  const isGranted = (right: string) => {
    const last = about.findLast((rule) => accessOf(rule).includes(right))
    return last === undefined || isAllowed(last)
  }
  return [...'rwm'].filter(isGranted).join('')
}

/** As in Go, whose clients write the rules, one that does not say so allows nothing. */
export const isAllowed = ({ allow }: DeviceRule): boolean => allow === true

/**
 * Letters of r, w, m: the rights that a rule is about. One without them that allows some devices allows nothing, as with crun; runc refuses
 * it. A denial is of all rights, and so is what speaks of all devices. An empty text names none, as in Go.
 */
export function accessOf(rule: DeviceRule): string {
  return rule.access || (isAllowed(rule) && !isOfAll(rule) ? '' : 'rwm')
}

/** Whether a rule allows something of this very device. Clients write one for each that is asked for, and none for what is merely listed. */
export function isNamed({ type, major, minor }: OciDevice, rules: readonly DeviceRule[]): boolean {
  return rules.some(
    (rule) => isAllowed(rule) && rule.type === type && rule.major === major && rule.minor === minor,
  )
}

/** Whether a rule speaks of all devices. */
export const isOfAll = ({ type = '', major, minor }: DeviceRule): boolean =>
  (type === '' || type === 'a') && isAny(major) && isAny(minor)

/** Whether a rule's number stands for all. */
export const isAny = (number: number | undefined): boolean => number === undefined || number < 0
