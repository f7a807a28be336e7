/** The devices of a container in a machine, and what it may do with them. */
import { guestDevices } from '../devices/char-devices.ts'
import type { DeviceRights } from '../devices/device-rights.ts'
import { accessOf, isAllowed, isAny, isOfAll } from '../devices/device-rules.ts'
import type { DeviceRule } from '../resources.ts'
import type { OciDevice, OciSpec } from '../spec.ts'
import { characterRules } from './character-rules.ts'

/** The spec without these devices, which are those of its list. */
export function withoutDevices(spec: OciSpec, gone: readonly OciDevice[]): OciSpec {
  const devices = spec.linux?.devices
  if (devices === undefined || gone.length === 0) return spec
  return { ...spec, linux: { ...spec.linux, devices: devices.filter((device) => !gone.includes(device)) } }
}

export interface DeviceFacts {
  readonly containerId: string
  readonly rights: DeviceRights
  /** Rules for the disks that were handed to the machine for this container, by the host's numbers. */
  readonly diskRules: readonly DeviceRule[]
  /** Rules for character devices of the guest that the container mounts. */
  readonly mountRules: readonly DeviceRule[]
}

/**
 * The guest's own devices, and the disks that were handed over.
 *
 * @throws KataError DEVICE_UNSUPPORTED for a device of the host that somebody asked for by name.
 */
export function withGuestDevices(spec: OciSpec, facts: DeviceFacts): OciSpec {
  const { containerId: container, rights, diskRules } = facts
  const devices = spec.linux?.devices ?? []
  const isHandedOver = ({ type, major, minor }: OciDevice) =>
    type === 'b' && diskRules.some((rule) => rule.major === major && rule.minor === minor)
  const disks = devices.filter(isHandedOver)
  const others = devices.filter((device) => !isHandedOver(device))
  const own = guestDevices(others, { every: rights.every, container })
  return { ...spec, linux: { ...spec.linux, devices: [...own, ...disks] } }
}

export function withGuestRules(spec: OciSpec, { rights, diskRules, mountRules }: DeviceFacts): OciSpec {
  const devices = guestDeviceRules(rights, [...mountRules, ...diskRules])
  const resources = { ...spec.linux?.resources, devices }
  return { ...spec, linux: { ...spec.linux, resources } }
}

/**
 * The rules for the guest. Numbers of block devices mean something else there, so of these only `handedOver` count, which
 * the agent renumbers; the character devices of a spec are ones that are the same everywhere (char-devices.ts). No device has the major
 * number 0, which means all of them there. Everything else is forbidden, but for what the guest's crun allows every
 * container.
 */
export function guestDeviceRules(
  { every, rules }: DeviceRights,
  handedOver: readonly DeviceRule[],
): readonly DeviceRule[] {
  const isStart = (rule: DeviceRule) => isOfAll(rule) && hasAllRights(rule) && isAllowed(rule) === every
  const later = rules.slice(1 + rules.findLastIndex(isStart)).filter(isAboutCharacters)
  return every
    ? [{ allow: true, access: 'rwm' }, ...characterRules(later, 'rwm')]
    : [{ allow: false, access: 'rwm' }, ...characterRules(later, ''), ...handedOver]
}

/** What is allowed must have the number of a device of the guest's. A denial may be of any. */
const isAboutCharacters = (rule: DeviceRule): boolean =>
  rule.major !== 0 && (isAllowed(rule) ? rule.type === 'c' && !isAny(rule.major) : rule.type !== 'b')

const hasAllRights = (rule: DeviceRule): boolean =>
  [...'rwm'].every((right) => accessOf(rule).includes(right))
