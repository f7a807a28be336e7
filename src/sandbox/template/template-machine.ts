/** The machine that a configuration's templates are made of. */
import type { Config } from '../../config/config.ts'
import { channelOf } from '../../config/kata/own-guest.ts'
import { bootId } from '../../linux/processes/proc.ts'
import { templateShape } from '../../vmm/create.ts'
import type { GuestAssets } from '../../vmm/host/assets.ts'
import type { AcceleratorChoice } from '../../vmm/kvm/accelerator.ts'
import { shareWay } from '../disks/share-way.ts'
import { hostMemoryMiB } from '../size/machine-sizer.ts'
import { type MachinePlan, planWithoutDemand } from '../size/sizing.ts'
import { describeGuest } from '../start/machine/machine.ts'
import { hostProcessor } from './host-processor.ts'
import { driversOf } from './load-drivers.ts'
import { templateKey } from './template-key.ts'

export interface TemplateMachine {
  readonly key: string
  /** Its size: what a pod needs beyond that, its clone grows by. */
  readonly plan: MachinePlan
  /** As far as that goes, MiB. */
  readonly mostMemoryMiB: number
  /** Whether its memory is a file of its own, which clones map (`SavedFiles` of ../../vmm/vmm.ts). */
  readonly hasMemoryFile: boolean
}

/** Undefined for a VMM that saves no machines. @throws KataError SANDBOX_TOO_LARGE, VMM_OPTION_INVALID. */
export async function templateMachine(
  config: Config,
  assets: GuestAssets,
  accelerator: AcceleratorChoice,
): Promise<TemplateMachine | undefined> {
  const plan = planWithoutDemand(config, hostMemoryMiB())
  const shape = await templateShape(
    describeGuest({ id: 'template', config, assets, plan, accelerator }),
    config,
  )
  if (shape === undefined) return undefined
  const hasMemoryFile = mapsMemory(config)
  const making = { hasMemoryFile, drivers: driversOf(config) }
  const key = templateKey(shape, { bootId: bootId(), processor: hostProcessor() }, making)
  return { key, plan, mostMemoryMiB: shape.mostMemoryMiB, hasMemoryFile }
}

/**
 * Whether clones map one file in place of reading its memory each: without a share, whose daemon has to see what the guest writes, and
 * where nothing gives memory back, which would show the file's bytes again.
 */
const mapsMemory = ({ hypervisor }: Pick<Config, 'hypervisor'>): boolean =>
  shareWay({ hypervisor }) === 'none' && !hypervisor.reclaimGuestFreedMemory

/** Why machines of this configuration are not saved, as the key that stands in the way; undefined for those that are. */
export function templateObstacle({ hypervisor }: Pick<Config, 'hypervisor'>): string | undefined {
  const obstacles: Readonly<Record<string, boolean>> = {
    // What such a guest does with a connection that breaks, and with a new clock, is its own affair.
    initrd: hypervisor.initrd !== '',
    image: hypervisor.image !== '',
    agent_channel: channelOf(hypervisor) === 'vsock',
    enable_tpm: hypervisor.enableTpm,
    cold_plug_vfio: hypervisor.coldPlugVfio !== 'no-port',
    enable_virtio_mem: hypervisor.enableVirtioMem,
    enable_hugepages: hypervisor.enableHugepages,
    enable_mem_prealloc: hypervisor.enableMemPrealloc,
  }
  return Object.keys(obstacles).find((key) => obstacles[key])
}
