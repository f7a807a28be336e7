import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { deviceRights } from '../devices/device-rights.ts'
import type { OciLinux, OciNamespace, OciSpec } from '../spec.ts'
import { askedPidNamespace, refuseMappedMounts, refuseUserNamespace } from './namespaces.ts'
import { type GuestFacts, guestSpec, guestSteps } from './pipeline.ts'

const spec: OciSpec = {
  ociVersion: '1.2.0',
  root: { path: '/host/bundle/rootfs', readonly: true },
  process: { args: ['sh'] },
  hooks: { prestart: [{ path: '/host/hook' }] },
  mounts: [{ destination: '/data', type: 'bind', source: '/host/data' }],
  annotations: { 'io.kubernetes.cri.container-type': 'container', mine: 'kept' },
  linux: {
    cgroupsPath: '/host/cgroup',
    namespaces: [
      { type: 'pid', path: '/proc/7/ns/pid' },
      { type: 'network', path: '/run/netns/x' },
      { type: 'ipc', path: '/proc/7/ns/ipc' },
      { type: 'mount' },
    ],
    resources: { devices: [{ allow: false }], pids: { limit: 5 }, memory: { limit: 1 } },
    seccomp: { defaultAction: 'SCMP_ACT_ERRNO' },
    maskedPaths: ['/proc/kcore'],
  },
}
const hostFacts = {
  containerId: 'c1',
  bundle: '/run/bundles/c1',
  rootfs: '/guest/rootfs',
  mounts: [{ destination: '/data', type: 'bind', source: '/guest/data' }],
  passedDevices: [],
  diskRules: [],
  mountRules: [],
  disableGuestSeccomp: false,
}
const guestOf = (from: OciSpec, facts: Partial<GuestFacts> = {}) =>
  guestSpec(from, { ...hostFacts, rights: deviceRights(from), ...facts })
const withLinux = (linux: OciLinux) => guestOf({ ...spec, linux }).linux

test('nothing of the host is named in what the guest gets, but for the bundle that Kata tells its agent', () => {
  const guest = guestOf(spec)
  expect(JSON.stringify(guest)).not.toContain('/host/')
  expect(JSON.stringify(guest)).not.toContain('/run/netns')
  expect(guest.root).toEqual({ path: '/guest/rootfs', readonly: true })
  expect(guest.mounts).toEqual(hostFacts.mounts)
  expect(guest.annotations).toMatchObject({
    mine: 'kept',
    'io.katacontainers.pkg.oci.bundle_path': '/run/bundles/c1',
    'io.katacontainers.pkg.oci.container_type': 'pod_container',
  })
})

test('the guest is told where the container has its termination message', () => {
  const name = 'io.kubernetes.container.terminationMessagePath'
  expect(guestOf(spec).annotations).not.toHaveProperty([name])
  expect(guestOf(spec, { terminationPath: '/tmp/why' }).annotations![name]).toBe('/tmp/why')
})

test('a compiled profile is the host’s own word to the agent, and nobody else’s', () => {
  const name = 'io.kata-ts.seccomp-filter'
  const annotations = { [name]: 'forged' }
  expect(guestOf({ ...spec, annotations }).annotations).not.toHaveProperty([name])
  const guest = guestOf({ ...spec, annotations }, { seccompFilter: Buffer.from('filter') })
  expect(guest.annotations![name]).toBe(Buffer.from('filter').toString('base64'))
})

test.each([
  ['SCMP_ACT_ERRNO', false],
  ['SCMP_ACT_KILL_PROCESS', false],
  ['SCMP_ACT_LOG', true],
  ['SCMP_ACT_ALLOW', true],
])('rules under %s go with the compiled profile: %p; what is left denies', (defaultAction, kept) => {
  const seccomp = { defaultAction, syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW' }] }
  const profiled = { ...spec, linux: { seccomp } }
  const seccompFilter = Buffer.from('filter')
  expect(guestOf(profiled).linux!.seccomp).toEqual(seccomp)
  expect(guestOf(profiled, { seccompFilter }).linux!.seccomp).toEqual(kept ? seccomp : { defaultAction })
})

test('annotations that are the host’s business stay there', () => {
  const annotations = {
    'io.katacontainers.config.agent.policy': 'x',
    'io.katacontainers.config.hypervisor.cc_init_data': 'x',
  }
  expect(Object.keys(guestOf({ ...spec, annotations }).annotations!)).toEqual([
    'io.katacontainers.pkg.oci.bundle_path',
    'io.katacontainers.pkg.oci.container_type',
  ])
})

test.each([
  [{ 'io.kubernetes.cri.container-type': 'sandbox' }, 'pod_sandbox'],
  [{ 'io.kubernetes.cri-o.ContainerType': 'container' }, 'pod_container'],
  [{}, 'single_container'],
])('annotations %j tell %s', (annotations, type) => {
  const guest = guestOf({ ...spec, annotations })
  expect(guest.annotations!['io.katacontainers.pkg.oci.container_type']).toBe(type)
})

test('limits, masked paths and seccomp are kept', () => {
  const { linux } = guestOf(spec)
  expect(linux?.resources).toMatchObject({ pids: { limit: 5 }, memory: { limit: 1 } })
  expect(linux?.maskedPaths).toEqual(['/proc/kcore'])
  expect(linux?.seccomp).toEqual({ defaultAction: 'SCMP_ACT_ERRNO' })
})

test('guest seccomp can be switched off', () => {
  expect(guestOf(spec, { disableGuestSeccomp: true }).linux?.seccomp).toBeUndefined()
})

test('namespaces: the pod’s are joined in the guest, what the host leaves out is there all the same', () => {
  const types = (linux: OciLinux) => withLinux(linux)?.namespaces?.map(({ type }) => type)
  expect(guestOf(spec).linux?.namespaces).toEqual([{ type: 'ipc' }, { type: 'mount' }, { type: 'uts' }])
  expect(types({})).toEqual(['ipc', 'uts', 'mount'])
  const left = types({ namespaces: [{ type: 'pid' }, { type: 'cgroup' }, { type: 'time' }] })
  expect(left).toEqual(['ipc', 'uts', 'mount'])
  expect(() => types({ namespaces: [{ type: 'user' }] })).toThrow('[SPEC_USER_NAMESPACE] container c1')
})

test('a pid namespace is the container’s own, one at a path, or with hostPID the pod’s', () => {
  const asked = (namespaces: readonly OciNamespace[]) => askedPidNamespace({ linux: { namespaces } })
  expect(asked([{ type: 'pid', path: '/proc/7/ns/pid' }])).toEqual({ path: '/proc/7/ns/pid' })
  expect(asked([{ type: 'mount' }])).toBe('pod')
  expect(asked([{ type: 'pid' }])).toBe('own')
})

test('a mount that a container makes does not reach the agent', () => {
  expect(withLinux({ rootfsPropagation: 'rshared' })?.rootfsPropagation).toBe('rslave')
  expect(withLinux({ rootfsPropagation: 'private' })?.rootfsPropagation).toBe('private')
})

test('privileged keeps the right to every device, and no device of the host', () => {
  const devices = [
    { path: '/dev/kvm', type: 'c', major: 10, minor: 232 },
    { path: '/dev/sda', type: 'b', major: 8, minor: 0 },
    { path: '/dev/fuse', type: 'c', major: 10, minor: 229 },
  ]
  const privileged = withLinux({ devices, resources: { devices: [{ allow: true, access: 'rwm' }] } })
  expect(privileged?.devices).toEqual([devices[2]!])
  expect(privileged?.resources).toEqual({ devices: [{ allow: true, access: 'rwm' }] })
  expect(() => withLinux({ devices })).toThrow(
    '[DEVICE_UNSUPPORTED] device /dev/kvm (c 10:232) of container c1',
  )
  expect(withLinux({ devices: [devices[2]!] })?.devices).toEqual([devices[2]!])
})

test('a disk that was handed to the machine is among the devices, with the rule for it', () => {
  const disk = { path: '/dev/xvda', type: 'b', major: 8, minor: 16 }
  const rule = { allow: true, type: 'b', major: 8, minor: 16, access: 'rm' }
  const { linux } = guestOf({ ...spec, linux: { ...spec.linux, devices: [disk] } }, { diskRules: [rule] })
  expect(linux?.devices).toEqual([disk])
  expect(linux?.resources?.devices).toEqual([{ allow: false, access: 'rwm' }, rule])
})

test('a device that the container mounts is allowed to it', () => {
  const rule = { allow: true, type: 'c', major: 1, minor: 11, access: 'rw' }
  expect(guestOf(spec, { mountRules: [rule] }).linux?.resources?.devices).toContainEqual(rule)
})

test('the steps stand in the order that is stated, each behind those whose result it reads', () => {
  expect(guestSteps.map(({ name }) => name)).toEqual([
    'refuse user namespaces',
    'drop labels and numbers of the host',
    'drop hooks',
    'drop devices that the guest drives',
    'keep devices of the guest and disks',
    'set device rules',
    'drop network classes',
    'set mounts',
    'set root',
    'set annotations',
    'set namespaces',
    'set the domain name',
    'drop the cgroup of the host',
    'keep mounts from the agent',
    'drop rules that are compiled',
    'drop seccomp where it is switched off',
  ])
  for (const [index, { name, after = [] }] of guestSteps.entries())
    for (const earlier of after) {
      const place = guestSteps.findIndex((step) => step.name === earlier)
      expect([name, earlier, place >= 0 && place < index]).toEqual([name, earlier, true])
    }
})

/** A spec on which each step has something to do. */
const card = { path: '/dev/vfio/12', type: 'c', major: 243, minor: 0 }
const disk = { path: '/dev/xvda', type: 'b', major: 8, minor: 16 }
const busy: OciSpec = {
  ...spec,
  process: { args: ['sh'], apparmorProfile: 'x', selinuxLabel: 'y' },
  linux: {
    ...spec.linux,
    devices: [{ path: '/dev/fuse', type: 'c', major: 10, minor: 229 }, card, disk],
    rootfsPropagation: 'rshared',
    mountLabel: 'z',
    resources: { ...spec.linux?.resources, network: { classID: 5 }, cpu: { cpus: '0', quota: 5 } },
  },
}
const busyFacts: GuestFacts = {
  ...hostFacts,
  rights: deviceRights(busy),
  passedDevices: [card],
  diskRules: [{ ...disk, allow: true, access: 'rwm' }],
  mountRules: [{ allow: true, type: 'c', major: 1, minor: 11, access: 'r' }],
  disableGuestSeccomp: true,
}

test('any other order that keeps what is stated makes the same spec', () => {
  const made = guestSpec(busy, busyFacts)
  const orders = fc.shuffledSubarray([...guestSteps], { minLength: guestSteps.length })
  const kept = (steps: readonly (typeof guestSteps)[number][]) =>
    steps.every(({ after = [] }, index) =>
      after.every((name) => steps.slice(0, index).some((step) => step.name === name)),
    )
  fc.assert(
    fc.property(orders.filter(kept), (steps) => {
      expect(guestSpec(busy, busyFacts, steps)).toEqual(made)
    }),
    { numRuns: 100 },
  )
})

test('the one order that is not free: a device that the guest drives is refused when it is still there', () => {
  const [first, second] = ['keep devices of the guest and disks', 'drop devices that the guest drives']
  const others = guestSteps.filter(({ name }) => name !== first && name !== second)
  const swapped = [first, second].map((name) => guestSteps.find((step) => step.name === name)!)
  expect(() => guestSpec(busy, busyFacts, [...swapped, ...others])).toThrow('[DEVICE_UNSUPPORTED]')
  expect(guestSpec(busy, busyFacts, [...swapped.toReversed(), ...others]).linux?.devices).toHaveLength(2)
})

test('no step changes what it is given', () => {
  const before = JSON.stringify(busy)
  for (const step of guestSteps) {
    const copy = structuredClone(busy)
    // A device that the guest drives is refused by the step that comes after its removal.
    step.apply({ ...copy, linux: { ...copy.linux, devices: [disk] } }, busyFacts)
    expect(JSON.stringify(copy)).toBe(before)
  }
})

test('a domain name is set as the parameter of its namespace, unless that is asked for as well', () => {
  expect(guestOf({ ...spec, domainname: 'example.test' })).toMatchObject({
    linux: { sysctl: { 'kernel.domainname': 'example.test' } },
  })
  expect(guestOf({ ...spec, domainname: 'example.test' })).not.toHaveProperty('domainname')
  const sysctl = { 'kernel.domainname': 'other' }
  expect(guestOf({ ...spec, domainname: 'example.test', linux: { sysctl } }).linux?.sysctl).toEqual(sysctl)
  expect(guestOf({ ...spec, domainname: '' }).linux?.sysctl).toBeUndefined()
})

test('ids that are mapped without a user namespace are refused as with one: nobody would map them', () => {
  const ids = [{ containerID: 0, hostID: 100_000, size: 65_536 }]
  for (const linux of [{ uidMappings: ids }, { gidMappings: ids }, { namespaces: [{ type: 'user' }] }])
    expect(() => refuseUserNamespace({ linux }, 'c')).toThrow('[SPEC_USER_NAMESPACE]')
  refuseUserNamespace({ linux: { uidMappings: [], gidMappings: [] } }, 'c')
})

test('a mount with ids of its own is refused: without them it would be another user’s', () => {
  const mapping = [{ containerID: 0, hostID: 1000, size: 1 }]
  for (const mappings of [{ uidMappings: mapping }, { gidMappings: mapping }]) {
    const mounts = [{ destination: '/data', type: 'bind', source: '/d', ...mappings }]
    expect(() => refuseMappedMounts({ mounts })).toThrow('[SHARE_MOUNT_INVALID]')
  }
  expect(() => refuseMappedMounts({ mounts: [{ destination: '/d', uidMappings: [] }] })).not.toThrow()
})
