/** What a container may do with devices: OCI's `linux.resources.devices`. */
import type { DeviceNumbers } from '../../linux/device-numbers.ts'
import type { DeviceRule } from '../resources.ts'

/** Whether a block device may be written: the last rule that speaks of it decides; without any nothing is forbidden. */
export function mayWriteBlock({ major, minor }: DeviceNumbers, rules: readonly DeviceRule[]): boolean {
  const speaks = ({ type = 'a', access = 'rwm', ...rule }: DeviceRule) =>
    (type === 'a' || type === 'b' || type === '') &&
    (isAny(rule.major) || rule.major === major) &&
    (isAny(rule.minor) || rule.minor === minor) &&
    access.includes('w')
  const last = rules.findLast(speaks)
  return last === undefined || isAllowed(last)
}

/** As in Go, whose clients write the rules, one that does not say so allows nothing. */
export const isAllowed = ({ allow }: DeviceRule): boolean => allow === true

/** Whether a rule speaks of all devices. */
export const isOfAll = ({ type = '', major, minor }: DeviceRule): boolean =>
  (type === '' || type === 'a') && isAny(major) && isAny(minor)

/** Whether a rule's number stands for all. */
export const isAny = (number: number | undefined): boolean => number === undefined || number < 0
