import { expect, test } from 'bun:test'
import type { DeepPartial } from '../../protobuf/message.ts'
import { CreateSandboxRequest } from '../../protocol/generated/containerd/sandbox.ts'
import { NamespaceMode, PodSandboxConfig } from '../../protocol/generated/cri/runtime.ts'
import { announcedDemand } from '../../sandbox/size/sizing.ts'
import { podSpec } from './pod-config.ts'

const files = { root: '/b/pod/root', resolvConf: '/b/pod/resolv.conf' }
const specOf = (
  config: DeepPartial<PodSandboxConfig>,
  request: DeepPartial<CreateSandboxRequest> = { netnsPath: '/run/netns/a' },
) =>
  podSpec(
    CreateSandboxRequest.fromPartial({ sandboxId: 'pod', ...request }),
    PodSandboxConfig.fromPartial(config),
    files,
  )
const inNamespace = (options: object) => specOf({ linux: { securityContext: { namespaceOptions: options } } })

test('annotations for kata are taken, and none that could pass for containerd’s', () => {
  const spec = specOf({
    annotations: {
      'io.katacontainers.config.hypervisor.default_memory': '512',
      'io.kubernetes.cri.sandbox-id': 'another',
      'io.kubernetes.cri.container-type': 'container',
      'example.com/note': 'x',
    },
  })
  expect(spec.annotations).toMatchObject({
    'io.katacontainers.config.hypervisor.default_memory': '512',
    'io.kubernetes.cri.sandbox-id': 'pod',
    'io.kubernetes.cri.container-type': 'sandbox',
  })
  expect(spec.annotations).not.toHaveProperty('example.com/note')
})

test.each([
  ['/kubepods/burstable/pod1', '/kubepods/burstable/pod1/pod'],
  ['/kubepods.slice/kubepods-pod1.slice', 'kubepods-pod1.slice:cri-containerd:pod'],
  ['', undefined],
])('the pod’s cgroup below %s', (cgroupParent, path) => {
  expect(specOf({ linux: { cgroupParent } }).linux?.cgroupsPath).toBe(path)
})

test('what its containers will use is announced as containerd does', () => {
  const resources = { cpuQuota: 150_000n, cpuPeriod: 100_000n, memoryLimitInBytes: 1n << 30n }
  expect(announcedDemand(specOf({ linux: { resources } }))).toEqual({ vcpus: 1.5, memoryBytes: 1 << 30 })
  const exclusive = { cpuQuota: -1n, cpuPeriod: 100_000n, cpuShares: 4096n }
  expect(announcedDemand(specOf({ linux: { resources: exclusive } })).vcpus).toBe(4)
})

test('the ids of its processes are those of the share', () => {
  const securityContext = {
    runAsUser: { value: 1000n },
    runAsGroup: { value: 2000n },
    supplementalGroups: [3000n],
  }
  expect(specOf({ linux: { securityContext } }).process?.user).toEqual({
    uid: 1000,
    gid: 2000,
    additionalGids: [3000],
  })
})

test('low ports and pings are for everybody, as by containerd’s defaults, unless the pod says otherwise', () => {
  const [port, groups] = ['net.ipv4.ip_unprivileged_port_start', 'net.ipv4.ping_group_range']
  const usual = { [port]: '0', [groups]: '0 2147483647' }
  expect(specOf({}).linux?.sysctl).toEqual(usual)
  const sysctls = { [port]: '1024', 'net.ipv4.tcp_syncookies': '1' }
  expect(specOf({ linux: { sysctls } }).linux?.sysctl).toEqual({ ...usual, ...sysctls })
})

test('without a namespace of its own the pod has a new one, and that of the host is refused', () => {
  expect(specOf({}, {}).linux?.namespaces).toEqual([{ type: 'network' }])
  expect(() => inNamespace({ network: NamespaceMode.NODE })).toThrow('NETNS_HOST')
  expect(() => inNamespace({ usernsOptions: { mode: NamespaceMode.POD } })).toThrow('SPEC_USER_NAMESPACE')
  expect(inNamespace({ usernsOptions: { mode: NamespaceMode.NODE } }).linux?.namespaces).toHaveLength(1)
})

test('ids and paths are bounded like those of any specification', () => {
  const securityContext = { runAsUser: { value: -1n } }
  expect(() => specOf({ linux: { securityContext } })).toThrow('OCI_SPEC_INVALID')
  expect(() => specOf({}, { netnsPath: `/${'a'.repeat(5000)}` })).toThrow('SPEC_PATH')
})
