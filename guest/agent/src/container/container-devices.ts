/** The devices of a container: what the host calls them becomes what they are here. Pure: tested on the host. */
import type { Device } from '../../../../src/protocol/generated/agent.ts'
import {
  type LinuxDevice,
  type LinuxDeviceCgroup,
  LinuxResources,
  type Spec,
} from '../../../../src/protocol/generated/oci.ts'
import { invalid } from '../errors.ts'

export interface DeviceNumbers {
  readonly major: bigint
  readonly minor: bigint
}

/** A disk that is shown to the container as a mount. */
export interface ShownDisk extends DeviceNumbers {
  /** Letters of a device rule. */
  readonly access: string
}

/**
 * The spec with the guest's numbers in its devices and in the rules about them. `found` are the guest's numbers of each of
 * `devices`, in their order; `shown` get rules of their own.
 *
 * @throws TtrpcError INVALID_ARGUMENT for a device that the spec does not have.
 */
export function withGuestDevices(
  spec: Spec,
  devices: readonly Device[],
  found: readonly DeviceNumbers[],
  shown: readonly ShownDisk[] = [],
): Spec {
  if (devices.length + shown.length === 0 || spec.linux === undefined) return spec
  const { linux } = spec
  const here = new Map<LinuxDevice, DeviceNumbers>()
  for (const [index, { containerPath }] of devices.entries()) {
    // Two of one path come in the order of the list.
    const device = linux.devices.find((one) => one.path === containerPath && !here.has(one))
    if (device === undefined) throw invalid(`the container has no device ${containerPath}`)
    here.set(device, found[index]!)
  }
  // From the host's numbers all at once: one device's new number may be another one's old number.
  const renumbered = new Map([...here].map(([device, numbers]) => [hostKey(device), numbers]))
  const numbersOf = (one: LinuxDevice | LinuxDeviceCgroup) => renumbered.get(hostKey(one)) ?? {}
  const resources = linux.resources ?? LinuxResources.fromPartial({})
  const rules = [...resources.devices.map((rule) => ({ ...rule, ...numbersOf(rule) })), ...shown.map(ruleFor)]
  return {
    ...spec,
    linux: {
      ...linux,
      // A privileged container's list has a disk under the host's own path, too.
      devices: linux.devices.map((device) => ({ ...device, ...(here.get(device) ?? numbersOf(device)) })),
      resources: { ...resources, devices: rules },
    },
  }
}

function ruleFor({ major, minor, access }: ShownDisk): LinuxDeviceCgroup {
  return { allow: true, type: 'b', major, minor, access }
}

function hostKey({ type, major, minor }: { type: string; major: bigint; minor: bigint }): string {
  return `${type} ${major}:${minor}`
}
