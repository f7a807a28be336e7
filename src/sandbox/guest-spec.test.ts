import { expect, test } from 'bun:test'
import { guestSpec, sharesPodProcesses } from './guest-spec.ts'
import type { OciLinux, OciSpec } from './oci.ts'

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
const input = {
  spec,
  containerId: 'c1',
  bundle: '/run/bundles/c1',
  rootfs: '/guest/rootfs',
  mounts: [{ destination: '/data', type: 'bind', source: '/guest/data' }],
  disableGuestSeccomp: false,
}
const withLinux = (linux: object) =>
  guestSpec({ ...input, spec: { ...spec, linux: linux as OciLinux } }).linux

test('nothing of the host is named in what the guest gets, but for the bundle that Kata tells its agent', () => {
  const guest = guestSpec(input)
  expect(JSON.stringify(guest)).not.toContain('/host/')
  expect(JSON.stringify(guest)).not.toContain('/run/netns')
  expect(guest.root).toEqual({ path: '/guest/rootfs', readonly: true })
  expect(guest.mounts).toEqual(input.mounts)
  expect(guest.annotations).toMatchObject({
    mine: 'kept',
    'io.katacontainers.pkg.oci.bundle_path': '/run/bundles/c1',
    'io.katacontainers.pkg.oci.container_type': 'pod_container',
  })
})

test('annotations that are the host’s business stay there', () => {
  const annotations = {
    'io.katacontainers.config.agent.policy': 'x',
    'io.katacontainers.config.hypervisor.cc_init_data': 'x',
  }
  expect(Object.keys(guestSpec({ ...input, spec: { ...spec, annotations } }).annotations!)).toEqual([
    'io.katacontainers.pkg.oci.bundle_path',
    'io.katacontainers.pkg.oci.container_type',
  ])
})

test.each([
  [{ 'io.kubernetes.cri.container-type': 'sandbox' }, 'pod_sandbox'],
  [{ 'io.kubernetes.cri-o.ContainerType': 'container' }, 'pod_container'],
  [{}, 'single_container'],
])('annotations %j tell %s', (annotations, type) => {
  const guest = guestSpec({ ...input, spec: { ...spec, annotations } })
  expect(guest.annotations!['io.katacontainers.pkg.oci.container_type']).toBe(type)
})

test('limits, masked paths and seccomp are kept', () => {
  const { linux } = guestSpec(input)
  expect(linux?.resources).toMatchObject({ pids: { limit: 5 }, memory: { limit: 1 } })
  expect(linux?.maskedPaths).toEqual(['/proc/kcore'])
  expect(linux?.seccomp).toEqual({ defaultAction: 'SCMP_ACT_ERRNO' })
})

test('guest seccomp can be switched off', () => {
  expect(guestSpec({ ...input, disableGuestSeccomp: true }).linux?.seccomp).toBeUndefined()
})

test('namespaces: the pod’s are joined in the guest, what the host leaves out is there all the same', () => {
  const types = (linux: object) => withLinux(linux)?.namespaces?.map(({ type }) => type)
  expect(guestSpec(input).linux?.namespaces).toEqual([{ type: 'ipc' }, { type: 'mount' }, { type: 'uts' }])
  expect(types({})).toEqual(['ipc', 'uts', 'mount'])
  const left = types({ namespaces: [{ type: 'pid' }, { type: 'cgroup' }, { type: 'time' }] })
  expect(left).toEqual(['ipc', 'uts', 'mount'])
  expect(() => types({ namespaces: [{ type: 'user' }] })).toThrow('[SPEC_USER_NAMESPACE] container c1')
})

test('the pod’s processes are shared by path, and by hostPID', () => {
  const shares = (namespaces: object[]) =>
    sharesPodProcesses({ linux: { namespaces } as OciSpec['linux'] & {} })
  expect(shares([{ type: 'pid', path: '/proc/7/ns/pid' }])).toBe(true)
  expect(shares([{ type: 'mount' }])).toBe(true)
  expect(shares([{ type: 'pid' }])).toBe(false)
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
  const { linux } = guestSpec({
    ...input,
    spec: { ...spec, linux: { ...spec.linux, devices: [disk] } },
    diskRules: [rule],
  })
  expect(linux?.devices).toEqual([disk])
  expect(linux?.resources?.devices).toEqual([{ allow: false, access: 'rwm' }, rule])
})
