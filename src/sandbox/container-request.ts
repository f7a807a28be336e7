import type { DeviceRights } from '../oci/devices/device-rights.ts'
import type { OciSpec } from '../oci/spec.ts'
import type { RootfsMount } from '../sharing/share.ts'

export interface ContainerRequest {
  readonly id: string
  /** As the host has it; the guest's is made of it (../oci/guest/pipeline.ts). */
  readonly spec: OciSpec
  /** What the spec says of devices, decided once (../oci/devices/device-rights.ts). */
  readonly rights: DeviceRights
  /** Where the client keeps the container's bundle. */
  readonly bundle: string
  /** Mounts that make up the root file system, as containerd describes them; none: `root.path` of the spec is it. */
  readonly rootfs: readonly RootfsMount[]
}

/** What makes up a container's root file system: the bundle's own directory when the client names no mounts. */
export function rootfsMounts({
  spec,
  rootfs,
}: Pick<ContainerRequest, 'spec' | 'rootfs'>): readonly RootfsMount[] {
  if (rootfs.length > 0) return rootfs
  const source = spec.root?.path ?? ''
  return [{ type: 'bind', source, options: ['rbind', spec.root?.readonly === true ? 'ro' : 'rw'] }]
}
