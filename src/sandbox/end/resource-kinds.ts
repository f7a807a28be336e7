/** Every sort of thing that a sandbox can hold on the host, so that any process can release it from the ledger. */
import { cgroupsResource } from '../../cgroups/resource.ts'
import { directVolumeResource } from '../../devices/direct-volume.ts'
import type { ResourceKind } from '../../ledger/ledger.ts'
import { processResource } from '../../ledger/process-resource.ts'
import { embeddedDnsResource } from '../../network/embedded-dns.ts'
import { redirectResource } from '../../network/redirect.ts'
import { memberResource } from '../../network/shared/shared.ts'
import { hostRulesResource } from '../../network/uplink/host-rules.ts'
import { rootlessKinds } from '../../rootless/kinds.ts'
import { directoryResource, mountResource } from '../../sharing/resources.ts'
import { virtiofsdResource } from '../../sharing/virtiofsd/virtiofsd.ts'
import { pagePromiseResource } from '../../vmm/host/huge-pages.ts'
import { vfioResource } from '../devices/vfio-resource.ts'
import { emptyDirDiskResource } from '../disks/empty-dir-image.ts'
import { poststopResource } from '../network/network-hooks.ts'
import { ownerResource } from '../records/owner.ts'
import { diskResource } from '../storage/disks.ts'
import { treeResource } from '../storage/tree.ts'

export const resourceKinds: readonly ResourceKind<never>[] = [
  ownerResource,
  cgroupsResource,
  treeResource,
  pagePromiseResource,
  processResource,
  ...rootlessKinds,
  directoryResource,
  mountResource,
  virtiofsdResource,
  diskResource,
  emptyDirDiskResource,
  vfioResource,
  directVolumeResource,
  redirectResource,
  embeddedDnsResource,
  hostRulesResource,
  memberResource,
  poststopResource,
]
