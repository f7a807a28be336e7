/**
 * What containerd's CRI plugin and CRI-O say of a container in annotations of its specification (containerd's pkg/cri/annotations,
 * CRI-O's pkg/annotations). One of the two wrote a specification, and only its own names are read: CRI-O hands on what the author of a
 * pod writes under containerd's.
 */
import { JsonMismatch } from '../json/place.ts'
import type { OciSpec } from './spec.ts'

type Annotated = Pick<OciSpec, 'annotations'>

/** Names by meaning; where there are several, the first one that is there counts. */
const names = {
  containerd: {
    containerType: ['io.kubernetes.cri.container-type'],
    sandboxId: ['io.kubernetes.cri.sandbox-id'],
    // Since 1.6.11. The kubelet's label is none of its annotations: a pod's author may have written one of that name.
    podUid: ['io.kubernetes.cri.sandbox-uid'],
    imageName: ['io.kubernetes.cri.image-name'],
    cpuQuota: ['io.kubernetes.cri.sandbox-cpu-quota'],
    cpuPeriod: ['io.kubernetes.cri.sandbox-cpu-period'],
    cpuShares: ['io.kubernetes.cri.sandbox-cpu-shares'],
    memory: ['io.kubernetes.cri.sandbox-memory'],
    resources: [],
  },
  'cri-o': {
    containerType: ['io.kubernetes.cri-o.ContainerType'],
    sandboxId: ['io.kubernetes.cri-o.SandboxID'],
    // The kubelet's label, which CRI-O writes down as an annotation.
    podUid: ['io.kubernetes.pod.uid'],
    imageName: ['io.kubernetes.cri-o.ImageName', 'io.kubernetes.cri-o.Image'],
    cpuQuota: [],
    cpuPeriod: [],
    cpuShares: [],
    memory: [],
    // All of them as one JSON document. The first is the name since CRI-O 1.36.
    resources: ['pod-linux-resources.crio.io', 'io.kubernetes.cri-o.PodLinuxResources'],
  },
} as const

type Client = keyof typeof names
type Meaning = keyof (typeof names)[Client]

/** Whether the client wrote who the container is, which each does for every container of a pod. */
const isBy = (client: Client, { annotations = {} }: Annotated): boolean =>
  [...names[client].containerType, ...names[client].sandboxId].some((name) => annotations[name] !== undefined)

/** What was said, with the name that said it; undefined when nothing was. */
export function saidOf(spec: Annotated, meaning: Meaning): { name: string; value: string } | undefined {
  const { annotations = {} } = spec
  const own: readonly string[] = names[isBy('cri-o', spec) ? 'cri-o' : 'containerd'][meaning]
  const name = own.find((name) => annotations[name] !== undefined)
  return name === undefined ? undefined : { name, value: annotations[name]! }
}

/**
 * Refuses what two clients seem to have written: the names of one of them are then those of the pod's author, who would choose the
 * machine that the container comes into.
 *
 * @throws JsonMismatch.
 */
export function requireOneClient(spec: Annotated): void {
  if (isBy('containerd', spec) && isBy('cri-o', spec))
    throw new JsonMismatch('annotations', 'those of containerd or of CRI-O', 'those of both')
}

/** The sandbox's id of the container's pod; undefined for a single container. */
export const podOf = (spec: Annotated): string | undefined => saidOf(spec, 'sandboxId')?.value

/** Kubernetes' uid of the pod. */
export const podUidOf = (spec: Annotated): string | undefined => saidOf(spec, 'podUid')?.value

/** The name of the image, as a person may know it. */
export const imageNameOf = (spec: Annotated): string | undefined => saidOf(spec, 'imageName')?.value

/** `single`: its client knows no pods. */
export type ContainerKind = 'sandbox' | 'container' | 'single'

export function containerKind(spec: Annotated): ContainerKind {
  const type = saidOf(spec, 'containerType')?.value
  if (type === undefined) return 'single'
  return type === 'sandbox' ? 'sandbox' : 'container'
}

/** Whether the container is the pod's own, which only holds the pod and whose limits are nobody's need. */
export const isPodSandbox = (spec: Annotated): boolean => containerKind(spec) === 'sandbox'
