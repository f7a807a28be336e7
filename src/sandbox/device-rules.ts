/** What a container may do with devices: OCI's `linux.resources.devices`. */
import type { DeviceNumbers } from '../linux/device-numbers.ts'
import { allowsEveryDevice } from './char-devices.ts'

export interface DeviceRule {
  readonly allow?: boolean
  /** `a`, `b` or `c`; absent means `a`. */
  readonly type?: string
  /** Absent or negative: any. */
  readonly major?: number
  readonly minor?: number
  /** Letters of r, w, m; absent means all. */
  readonly access?: string
}

/** `linux.resources.devices` of a spec, which nobody has looked at yet. */
export function deviceRules(rules: unknown): readonly DeviceRule[] {
  return Array.isArray(rules) ? (rules as DeviceRule[]) : []
}

/** Whether a block device may be written: the last rule that speaks of it decides; without any nothing is forbidden. */
export function mayWriteBlock({ major, minor }: DeviceNumbers, rules: readonly DeviceRule[]): boolean {
  const speaks = ({ type = 'a', access = 'rwm', ...rule }: DeviceRule) =>
    (type === 'a' || type === 'b' || type === '') &&
    (isAny(rule.major) || rule.major === major) &&
    (isAny(rule.minor) || rule.minor === minor) &&
    access.includes('w')
  return rules.findLast(speaks)?.allow ?? true
}

/**
 * The rules for the guest. Numbers of block devices mean something else there, so of these only `handedOver` count, which
 * the agent renumbers; the character devices of a spec are ones that are the same everywhere (char-devices.ts). Everything
 * else is forbidden, but for what the guest's crun allows every container.
 */
export function guestDeviceRules(
  rules: readonly DeviceRule[],
  handedOver: readonly DeviceRule[],
): readonly DeviceRule[] {
  if (allowsEveryDevice(rules)) return [{ allow: true, access: 'rwm' }]
  const characters = rules.filter(({ type, major }) => type === 'c' && !isAny(major))
  return [{ allow: false, access: 'rwm' }, ...characters, ...handedOver]
}

const isAny = (number: number | undefined) => number === undefined || number < 0
