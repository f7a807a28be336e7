/** Which machines can be saved: those that have nothing but memory and disks of their own. */
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { KataError } from '../../errors.ts'
import { isEqual } from '../../json/is-equal.ts'
import { identityAt } from '../../linux/files/file-identity.ts'
import type { GuestAssets } from '../../vmm/host/assets.ts'
import type { ContainerRequest } from '../container-request.ts'
import type { SandboxParts } from '../sandbox-parts.ts'
import { assetFiles } from '../start/prepare/asset-files.ts'
import { sharedMounts } from '../storage/mounts.ts'
import { templateObstacle } from '../template/template-machine.ts'
import { machineKey } from './machine-key.ts'
import type { Saveable, SaveRequest } from './save-machine.ts'

type Parts = Pick<
  SandboxParts,
  'id' | 'config' | 'vmm' | 'vmmProcess' | 'machine' | 'share' | 'disks' | 'ledger' | 'sizer' | 'network'
>

/** Kinds of holdings that stand for a device of the host, or a disk that goes with the machine. */
const foreign: ReadonlySet<string> = new Set(['vfio', 'emptydir-disk'])

type Saved = ContainerRequest & { readonly guestId: string }

/** `containers` are those of the sandbox at the moment. @throws KataError CHECKPOINT_REFUSED; the signal's reason; errors of the system. */
export async function requireSaveable(
  parts: Parts,
  containers: () => readonly Saved[],
  { directory, signal }: Pick<SaveRequest, 'directory' | 'signal'>,
): Promise<Saveable> {
  requireAlone(parts, containers())
  const above = dirname(directory)
  if (!existsSync(above))
    throw refused(
      parts,
      `its shim does not see ${above}. If something was mounted there since it began, \`kata-ts restart\` lets it see that`,
    )
  const { config, machine } = parts
  const key = await machineKey(config, machine, signal)
  if (key === undefined) throw refused(parts, 'its VMM saves no machines')
  if ((await keyNow(parts, key, signal)) !== key) throw refused(parts, newGuest)
  // It may have got more while its files were read.
  const { guestId } = requireAlone(parts, containers())
  return { key, container: guestId }
}

/** The key under which the machine would be looked for; undefined when there is no image any more that can be used. */
async function keyNow(
  { config, machine }: Parts,
  key: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  let assets: GuestAssets
  try {
    assets = machine.assetsNow()
  } catch (error) {
    if (error instanceof KataError) return undefined
    throw error
  }
  const { kernel, initrd } = machine.assets
  // Its files were read for the key that there is.
  if (assets.kernel === kernel && assets.initrd === initrd) return key
  return machineKey(config, { ...machine, assets }, signal)
}

const newGuest = 'its guest image was replaced since it began, and with the new one it could not go on'
const refused = ({ id }: Parts, reason: string) => new KataError('CHECKPOINT_REFUSED', { id, reason })

/** The only container of a machine that has nothing else. @throws KataError CHECKPOINT_REFUSED. */
function requireAlone(parts: Parts, [container, ...others]: readonly Saved[]): Saved {
  const reason = whyNot(parts, container, others.length)
  if (reason !== undefined) throw refused(parts, reason)
  return container!
}

function whyNot(parts: Parts, container: ContainerRequest | undefined, others: number): string | undefined {
  const { id, config, vmm, machine, share, disks, ledger, sizer, network } = parts
  const { hypervisor } = config
  if (vmm.save === undefined) return `the VMM (${hypervisor.driver}) saves no machines`
  if (!share.copiesFiles)
    return 'it shares files with the host (shared_fs in its configuration is not "none")'
  const obstacle = templateObstacle(config)
  if (obstacle !== undefined) return `${obstacle} of its configuration allows that for none`
  if (container === undefined || others > 0 || container.id !== id) return 'it is a pod of several containers'
  if (machine.macs.length > 0 && !network.isOurs)
    return 'its network is not of kata-ts, which could not make it again'
  if (sharedMounts(container.spec, id).length > 0) return 'it has volumes of the host'
  const held = ledger.held.find((kind) => foreign.has(kind))
  if (held !== undefined) return `it has a device of the host (${held})`
  const written = disks.all.filter(({ readonly }) => !readonly)
  if (written.length !== 1 || disks.all.length !== container.rootfs.length - 1)
    return 'its disks are not those of its root file system alone'
  const { vcpus, memoryMiB } = sizer.size
  if (vcpus !== machine.plan.vcpus || memoryMiB !== machine.plan.memoryMiB) return 'its machine has grown'
  if (!isEqual(assetFiles(machine.assets), machine.assetFiles)) return newGuest
  return isReplaced(parts) ? 'its VMM runs from a program that was replaced since' : undefined
}

/** A VMM of another version than the one that would go on with what it saves. */
function isReplaced({ config, vmmProcess }: Parts): boolean {
  const [running, installed] = [`/proc/${vmmProcess.pid}/exe`, config.hypervisor.path].map((path) =>
    identityAt(path, { followed: true }),
  )
  return running !== installed
}
