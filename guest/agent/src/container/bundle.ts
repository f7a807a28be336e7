/** A container's bundle: the directory that crun makes it from. */
import type { CreateContainerRequest } from '../../../../src/protocol/generated/agent.ts'
import type { Process, Root, Spec } from '../../../../src/protocol/generated/oci.ts'
import { changeThreads } from '../boot/cgroups.ts'
import { findBlockDevice } from '../devices/block-device.ts'
import { expectedDevices, loadExpectedModules, loadMountedDevices } from '../devices/expected-modules.ts'
import { guestDevices } from '../devices/guest-devices.ts'
import { isPassedDevice } from '../devices/passed-devices.ts'
import type { MountedStorage } from '../storage/storage.ts'
import { save } from '../system/files.ts'
import { toJson } from '../system/json.ts'
import { bundles } from '../system/paths.ts'
import { setSysctls } from '../system/sysctl.ts'
import { splitSysctls } from '../system/sysctl-names.ts'
import { cgroupOf, limitedPageSizes } from './cgroup.ts'
import { type ShownDisk, withGuestDevices } from './container-devices.ts'
import type { ContainerTools } from './container-tools.ts'
import { specToJson } from './spec.ts'

/** A specification with the parts that no container can do without. */
export type WholeSpec = Spec & { readonly process: Process; readonly root: Root }

/** What is beside the bundles: shares, the pod's volumes, the list of name servers. */
const others: ReadonlySet<string> = new Set(['shared', 'sandbox', 'resolv.conf'])

/** A container may be called as one of the others: it must not take that with it. No id begins with a dot. */
export const bundleOf = (id: string): string => `${bundles}/${others.has(id) ? `.${id}` : id}`

/**
 * Writes config.json, once the machine has what it names: directories of the share, modules, sysctls and devices. `mounted` are the
 * container's own storages.
 *
 * @throws TtrpcError DEADLINE_EXCEEDED when the share or a device does not answer, INVALID_ARGUMENT for a device or sysctl that the machine
 * does not have.
 */
export async function writeConfig(
  { containerId: id, storages, devices }: CreateContainerRequest,
  oci: WholeSpec,
  sharedNamespaces: Readonly<Record<string, string>>,
  mounted: readonly MountedStorage[],
  tools: ContainerTools,
): Promise<void> {
  const sources = [...oci.mounts, ...storages].map(({ source }) => source)
  await tools.sources.hold(id, [oci.root.path, ...sources])
  loadExpectedModules(oci.process.capabilities?.bounding ?? [])
  loadMountedDevices(sourcesOf(oci))
  const sysctls = splitSysctls(oci.linux?.sysctl).machine
  // One of them may be how many threads there are.
  if (Object.keys(sysctls).length > 0) changeThreads(() => setSysctls(sysctls))
  await Promise.all(devices.filter(isPassedDevice).map((device) => tools.passed.require(device)))
  const disks = devices.filter((device) => !isPassedDevice(device))
  const found = await Promise.all(disks.map(({ type, id }) => findBlockDevice(type, id)))
  const spec = withGuestDevices(oci, disks, found, mounted.flatMap(shownDisk))
  const config = specToJson(spec, {
    cgroupsPath: cgroupOf(id).path,
    sharedNamespaces,
    guestDevices: everyDevice,
    pageSizes: limitedPageSizes(),
  })
  save(`${bundleOf(id)}/config.json`, toJson(config))
}

/** Where its mounts come from. */
export const sourcesOf = ({ mounts }: Spec): string[] => mounts.map(({ source }) => source)

const everyDevice = () => [...guestDevices(), ...expectedDevices()]

function shownDisk({ disk }: MountedStorage): ShownDisk[] {
  return disk?.shown === undefined ? [] : [{ ...disk, access: disk.shown }]
}
