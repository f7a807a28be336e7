/** Specifications as containerd and as CRI-O write them (server/sandbox_run_linux.go and container_create.go of CRI-O 1.33). */
import { describe, expect, test } from 'bun:test'
import { containerKind, imageNameOf, podOf, podUidOf } from './annotations.ts'
import { announcedResources } from './announced.ts'
import { parseSpecText } from './read-spec.ts'

const uid = '3b9f5c3e-7b0a-4f0e-9a5c-0f2f7a1c9d11'
const labels = {
  'io.kubernetes.pod.uid': uid,
  'io.kubernetes.pod.name': 'web',
  'io.kubernetes.pod.namespace': 'default',
}

/** Of the pod's own container, the one that CRI-O calls infra. */
const crioSandbox = {
  ...labels,
  'io.kubernetes.cri-o.Annotations': '{"kubernetes.io/config.source":"api"}',
  'io.kubernetes.cri-o.CgroupParent': 'kubepods-burstable-pod3b9f.slice',
  'io.kubernetes.cri-o.ContainerID': 'abc',
  'io.kubernetes.cri-o.ContainerName': `k8s_POD_web_default_${uid}_0`,
  'io.kubernetes.cri-o.ContainerType': 'sandbox',
  'io.kubernetes.cri-o.LogPath': `/var/log/pods/default_web_${uid}/abc.log`,
  'io.kubernetes.cri-o.MountPoint': '/var/lib/containers/storage/overlay/e1/merged',
  'io.kubernetes.cri-o.PodLinuxOverhead': '{"cpu_period":100000,"memory_limit_in_bytes":167772160}',
  'io.kubernetes.cri-o.PodLinuxResources':
    '{"cpu_period":100000,"cpu_quota":250000,"cpu_shares":2560,"memory_limit_in_bytes":536870912}',
  'io.kubernetes.cri-o.RuntimeHandler': 'kata-ts',
  'io.kubernetes.cri-o.SandboxID': 'abc',
}
const crioContainer = {
  ...labels,
  'io.kubernetes.cri-o.ContainerID': 'def',
  'io.kubernetes.cri-o.ContainerType': 'container',
  'io.kubernetes.cri-o.Image': 'sha256:0123',
  'io.kubernetes.cri-o.ImageName': 'docker.io/library/busybox:1.37',
  'io.kubernetes.cri-o.SandboxID': 'abc',
}
const containerdContainer = {
  'io.kubernetes.cri.container-type': 'container',
  'io.kubernetes.cri.image-name': 'docker.io/library/busybox:1.37',
  'io.kubernetes.cri.sandbox-id': 'abc',
  'io.kubernetes.cri.sandbox-uid': uid,
}
const read = (annotations: Record<string, string>) => parseSpecText(JSON.stringify({ annotations }))

describe('who a container is', () => {
  test.each([
    ['the sandbox of CRI-O', crioSandbox, 'sandbox', undefined],
    ['a container of CRI-O', crioContainer, 'container', 'docker.io/library/busybox:1.37'],
    ['a container of containerd', containerdContainer, 'container', 'docker.io/library/busybox:1.37'],
  ] as const)('%s', (_, annotations, kind, image) => {
    const spec = read(annotations)
    expect([containerKind(spec), podOf(spec), podUidOf(spec), imageNameOf(spec)]).toEqual([
      kind,
      'abc',
      uid,
      image,
    ])
  })

  test('an image of CRI-O without a name is told by what was asked for', () => {
    const { 'io.kubernetes.cri-o.ImageName': _name, ...nameless } = crioContainer
    expect(imageNameOf(read(nameless))).toBe('sha256:0123')
  })

  test('one without annotations is single', () => {
    const spec = read({})
    expect([containerKind(spec), podOf(spec), podUidOf(spec)]).toEqual(['single', undefined, undefined])
  })
})

describe('what the author of a pod writes under the names of the other client', () => {
  test.each([
    ['another pod’s id', { ...crioContainer, 'io.kubernetes.cri.sandbox-id': 'another' }],
    ['another type', { ...crioContainer, 'io.kubernetes.cri.container-type': 'sandbox' }],
    ['CRI-O’s under containerd', { ...containerdContainer, 'io.kubernetes.cri-o.SandboxID': 'another' }],
  ])('%s is refused', (_, annotations) => {
    expect(() => read(annotations)).toThrow(
      '[OCI_SPEC_INVALID] the OCI specification is invalid: annotations: expected those of containerd or of CRI-O, is those of both',
    )
  })

  test('uid, image and sizes of the other one do not count', () => {
    const others = {
      'io.kubernetes.cri.sandbox-uid': 'another',
      'io.kubernetes.cri.image-name': 'another',
      'io.kubernetes.cri.sandbox-memory': '1',
    }
    const spec = read({ ...crioSandbox, ...others })
    expect([podUidOf(spec), imageNameOf(spec)]).toEqual([uid, undefined])
    expect(announcedResources(spec).memoryBytes).toBe(536870912)
    const resources = { 'io.kubernetes.cri-o.PodLinuxResources': '{"memory_limit_in_bytes":1}' }
    expect(announcedResources(read({ ...containerdContainer, ...resources })).memoryBytes).toBeNaN()
  })
})

describe('what CRI-O announces', () => {
  const { 'io.kubernetes.cri-o.PodLinuxResources': old, ...without } = crioSandbox

  test.each(['io.kubernetes.cri-o.PodLinuxResources', 'pod-linux-resources.crio.io'])(
    'by the name %s',
    (name) => {
      expect(announcedResources(read({ ...without, [name]: old }))).toEqual({
        cpuQuota: 250000,
        cpuPeriod: 100000,
        cpuShares: 2560,
        memoryBytes: 536870912,
      })
    },
  )

  test.each(['null', '{}'])('nothing, as %s', (text) => {
    expect(
      announcedResources(read({ ...crioSandbox, 'io.kubernetes.cri-o.PodLinuxResources': text })),
    ).toEqual({})
  })

  test.each(['wrong', '[]', '{"memory_limit_in_bytes":"512Mi"}'])('%s is refused by name', (text) => {
    const spec = read({ ...crioSandbox, 'io.kubernetes.cri-o.PodLinuxResources': text })
    expect(() => announcedResources(spec)).toThrow(
      /\[OCI_SPEC_INVALID\].*annotations\["io\.kubernetes\.cri-o\.PodLinuxResources"\]/,
    )
  })
})
