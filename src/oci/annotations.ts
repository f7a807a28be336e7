/** What containerd's CRI plugin and CRI-O say of a container in annotations of its specification. */
import type { OciSpec } from './spec.ts'

type Annotated = Pick<OciSpec, 'annotations'>

/** The sandbox's id of the container's pod; undefined for a single container. */
export function podOf({ annotations = {} }: Annotated): string | undefined {
  return annotations['io.kubernetes.cri.sandbox-id'] ?? annotations['io.kubernetes.cri-o.SandboxID']
}

/** Kubernetes' uid of the pod. */
export function podUidOf({ annotations = {} }: Annotated): string | undefined {
  return annotations['io.kubernetes.cri.sandbox-uid'] ?? annotations['io.kubernetes.pod.uid']
}

/** `single`: its client knows no pods. */
export type ContainerKind = 'sandbox' | 'container' | 'single'

export function containerKind({ annotations = {} }: Annotated): ContainerKind {
  const type =
    annotations['io.kubernetes.cri.container-type'] ?? annotations['io.kubernetes.cri-o.ContainerType']
  if (type === undefined) return 'single'
  return type === 'sandbox' ? 'sandbox' : 'container'
}

/** Whether the container is the pod's own, which only holds the pod and whose limits are nobody's need. */
export const isPodSandbox = (spec: Annotated): boolean => containerKind(spec) === 'sandbox'
