/**
 * What the guest is told of a container: the OCI spec of the host with everything taken out that names the host.
 * Which parts, and why, follows Kata's runtime (container create); where we keep more, it is said beside the line.
 */
import { KataError } from '../errors.ts'
import { allowsEveryDevice, guestDevices } from './char-devices.ts'
import { type DeviceRule, deviceRules, guestDeviceRules } from './device-rules.ts'
import type { OciDevice, OciMount, OciNamespace, OciSpec } from './oci.ts'

export interface GuestSpecInput {
  readonly spec: OciSpec
  readonly containerId: string
  /** For Kata's annotation: where the host keeps the container's bundle. */
  readonly bundle: string
  /** Path of the container's root file system in the guest. */
  readonly rootfs: string
  /** The spec's mounts as the guest sees them. */
  readonly mounts: readonly OciMount[]
  /** Rules for the disks that were handed to the machine for this container, by the host's numbers. */
  readonly diskRules?: readonly DeviceRule[]
  readonly disableGuestSeccomp: boolean
}

/** What the agent is told of the host's part of a pod. Kata's names, and its values. */
const annotations = {
  bundlePath: 'io.katacontainers.pkg.oci.bundle_path',
  containerType: 'io.katacontainers.pkg.oci.container_type',
} as const
/** For the host only: they are the machine's business before it runs. */
const hostAnnotations = [
  'io.katacontainers.config.agent.policy',
  'io.katacontainers.config.hypervisor.cc_init_data',
]

/** Pure: the same input gives the same spec. @throws KataError DEVICE_UNSUPPORTED, SPEC_USER_NAMESPACE. */
export function guestSpec({
  spec,
  containerId,
  bundle,
  rootfs,
  mounts,
  diskRules = [],
  disableGuestSeccomp,
}: GuestSpecInput): OciSpec {
  // Hooks are programs of the host and would run in the guest, where they are not.
  const { hooks: _hostHooks, ...kept } = spec
  const { seccomp, resources, namespaces, cgroupsPath: _hostCgroup, devices, ...linux } = spec.linux ?? {}
  if (namespaces?.some(({ type }) => type === 'user'))
    throw new KataError('SPEC_USER_NAMESPACE', { container: containerId })
  const privileged = allowsEveryDevice(resources?.devices)
  const isHandedOver = ({ type, major, minor }: OciDevice) =>
    type === 'b' && diskRules.some((rule) => rule.major === major && rule.minor === minor)
  const disks = (devices ?? []).filter(isHandedOver)
  const others = (devices ?? []).filter((device) => !isHandedOver(device))
  // Unlike Kata we keep the pids limit.
  const { devices: hostRules, network: _hostNetwork, ...limits } = resources ?? {}
  return {
    ...kept,
    root: { ...spec.root, path: rootfs },
    mounts,
    annotations: guestAnnotations(spec, bundle),
    linux: {
      ...linux,
      ...(linux.rootfsPropagation === undefined
        ? {}
        : { rootfsPropagation: guestPropagation(String(linux.rootfsPropagation)) }),
      resources: { ...limits, devices: guestDeviceRules(deviceRules(hostRules), diskRules) },
      devices: [...guestDevices(others, { privileged, container: containerId }), ...disks],
      namespaces: guestNamespaces(namespaces),
      ...(seccomp !== undefined && !disableGuestSeccomp ? { seccomp } : {}),
    },
  }
}

/**
 * Whether the container takes part in the pod's processes. CRI names another process's namespace by path for that
 * (shareProcessNamespace), and none at all for hostPID: the machine is the host here, so the pod's processes are what
 * such a container gets to see. The agent itself stays out of sight.
 */
export function sharesPodProcesses({ linux }: OciSpec): boolean {
  const pid = (linux?.namespaces ?? []).find(({ type }) => type === 'pid')
  return pid === undefined || Boolean(pid.path)
}

/**
 * The VM is the pod's network, cgroup and time namespace; the paths of the host's namespaces mean nothing in it. The pid
 * namespace is the agent's to add, as `sandbox_pidns` of the request says: with an entry of ours beside its own, Kata's
 * agent cannot run a second process in the container.
 */
function guestNamespaces(namespaces: readonly OciNamespace[] = []): { type: string }[] {
  const dropped = new Set(['network', 'cgroup', 'time', 'pid'])
  const kept = namespaces.filter(({ type }) => !dropped.has(type))
  // What the host leaves out is the host's own. In the guest every container has these, or shares the pod's.
  const types = new Set([...kept.map(({ type }) => type), 'ipc', 'uts', 'mount'])
  return [...types].map((type) => ({ type }))
}

/** A mount made in a container must not reach the agent's own tree. */
function guestPropagation(propagation: string): string {
  return propagation.replace('shared', 'slave')
}

function guestAnnotations({ annotations: given = {} }: OciSpec, bundle: string): Record<string, string> {
  const kept = Object.entries(given).filter(([name]) => !hostAnnotations.includes(name))
  return {
    ...Object.fromEntries(kept),
    [annotations.bundlePath]: bundle,
    [annotations.containerType]: containerType(given),
  }
}

function containerType(given: Readonly<Record<string, string>>): string {
  const type = given['io.kubernetes.cri.container-type'] ?? given['io.kubernetes.cri-o.ContainerType']
  if (type === undefined) return 'single_container'
  return type === 'sandbox' ? 'pod_sandbox' : 'pod_container'
}
