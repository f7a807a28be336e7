/**
 * From the host's specification of a container to the guest's: everything that names the host is taken out. Which parts, and
 * why, follows Kata's runtime (container create); where we keep more, it is said beside the line.
 *
 * The steps are pure and run in the order of their list. What the host has to do for a container (attaching disks and devices,
 * carrying mounts into the share) looks at the host's specification and comes in as facts, never through another step. So the
 * order matters only where a step names others that it comes `after`; a test holds that.
 */
import type { OciResources } from '../resources.ts'
import type { OciDevice, OciLinux, OciMount, OciSpec } from '../spec.ts'
import { guestAnnotations } from './annotations.ts'
import { type DeviceFacts, withGuestDevices, withGuestRules, withoutDevices } from './devices.ts'
import { withoutHostOnly } from './host-only.ts'
import { guestNamespaces, refuseUserNamespace } from './namespaces.ts'

/** What the host knows of the container, and did for it. */
export interface GuestFacts extends DeviceFacts {
  /** Where the host keeps the container's bundle, for Kata's annotation. */
  readonly bundle: string
  /** Where the container has its termination message, if it has one: ../termination-mount.ts. */
  readonly terminationPath?: string | undefined
  /** Path of the container's root file system in the guest. */
  readonly rootfs: string
  /** The spec's mounts as the guest sees them. */
  readonly mounts: readonly OciMount[]
  /** Devices of the spec that the guest drives itself (VFIO). */
  readonly passedDevices: readonly OciDevice[]
  readonly disableGuestSeccomp: boolean
  /** The profile, compiled for an agent that takes it so. */
  readonly seccompFilter?: Buffer | undefined
}

export interface GuestStep {
  readonly name: string
  /** Steps whose result this one reads. */
  readonly after?: readonly string[]
  readonly apply: (spec: OciSpec, facts: GuestFacts) => OciSpec
}

export const guestSteps: readonly GuestStep[] = [
  {
    // The ids of a user namespace of the host do not exist in the guest.
    name: 'refuse user namespaces',
    apply: (spec, { containerId }) => {
      refuseUserNamespace(spec, containerId)
      return spec
    },
  },
  { name: 'drop labels and numbers of the host', apply: withoutHostOnly },
  {
    // Hooks are programs of the host and would run in the guest, where they are not.
    name: 'drop hooks',
    apply: ({ hooks: _hostHooks, ...spec }) => spec,
  },
  {
    name: 'drop devices that the guest drives',
    apply: (spec, { passedDevices }) => withoutDevices(spec, passedDevices),
  },
  {
    // It refuses each device of the host that is left: those that went into the machine must be gone.
    name: 'keep devices of the guest and disks',
    after: ['drop devices that the guest drives'],
    apply: withGuestDevices,
  },
  { name: 'set device rules', apply: withGuestRules },
  {
    // Classes and priorities of packets are those of the host's interfaces. Unlike Kata we keep the limit of processes.
    name: 'drop network classes',
    apply: withResources(({ network: _hostNetwork, ...limits }) => limits),
  },
  { name: 'set mounts', apply: (spec, { mounts }) => ({ ...spec, mounts }) },
  { name: 'set root', apply: (spec, { rootfs }) => ({ ...spec, root: { ...spec.root, path: rootfs } }) },
  {
    name: 'set annotations',
    apply: (spec, facts) => ({ ...spec, annotations: guestAnnotations(spec, facts) }),
  },
  {
    name: 'set namespaces',
    apply: withLinux((linux) => ({ ...linux, namespaces: guestNamespaces(linux.namespaces) })),
  },
  {
    // The protocol has no field for it, and the parameter of the UTS namespace is the same.
    name: 'set the domain name',
    apply: ({ domainname = '', ...spec }) =>
      domainname === ''
        ? spec
        : withLinux((linux) => ({ ...linux, sysctl: { 'kernel.domainname': domainname, ...linux.sysctl } }))(
            spec,
          ),
  },
  {
    // The guest agent has a cgroup for each container.
    name: 'drop the cgroup of the host',
    apply: withLinux(({ cgroupsPath: _hostCgroup, ...linux }) => linux),
  },
  {
    // A mount made in a container must not reach the agent's own tree.
    name: 'keep mounts from the agent',
    apply: withLinux(({ rootfsPropagation, ...linux }) =>
      rootfsPropagation === undefined
        ? linux
        : { ...linux, rootfsPropagation: rootfsPropagation.replace('shared', 'slave') },
    ),
  },
  { name: 'drop rules that are compiled', apply: withoutCompiledRules },
  {
    name: 'drop seccomp where it is switched off',
    apply: (spec, { disableGuestSeccomp }) =>
      disableGuestSeccomp ? withLinux(({ seccomp: _profile, ...linux }) => linux)(spec) : spec,
  },
]

/** Pure: the same input gives the same spec. @throws KataError DEVICE_UNSUPPORTED, SPEC_USER_NAMESPACE. */
export function guestSpec(spec: OciSpec, facts: GuestFacts, steps = guestSteps): OciSpec {
  return steps.reduce((made, step) => step.apply(made, facts), spec)
}

/** Hundreds of names, which the agent would decode only to drop them. An agent that does not know the filter is left with what denies. */
function withoutCompiledRules(spec: OciSpec, { seccompFilter }: GuestFacts): OciSpec {
  const profile = spec.linux?.seccomp
  const denies = profile?.defaultAction !== 'SCMP_ACT_ALLOW' && profile?.defaultAction !== 'SCMP_ACT_LOG'
  if (seccompFilter === undefined || profile === undefined || !denies) return spec
  const { syscalls: _compiled, ...rest } = profile
  return withLinux((linux) => ({ ...linux, seccomp: rest }))(spec)
}

function withLinux(change: (linux: OciLinux) => OciLinux): (spec: OciSpec) => OciSpec {
  return (spec) => ({ ...spec, linux: change(spec.linux ?? {}) })
}

function withResources(change: (resources: OciResources) => OciResources): (spec: OciSpec) => OciSpec {
  return withLinux((linux) =>
    linux.resources === undefined ? linux : { ...linux, resources: change(linux.resources) },
  )
}
