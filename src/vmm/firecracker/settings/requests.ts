/** From the machine asked for to the requests that describe it to Firecracker, in their order. Pure. */
import type { HypervisorConfig } from '../../../config/config.ts'
import { KataError } from '../../../errors.ts'
import { agentPort } from '../../../protocol/agent-endpoint.ts'
import { configuredLimiter, type LimitConfig, type RateLimiter } from '../../machine/disk-limit.ts'
import { kernelCommandLine } from '../../machine/kernel-command-line.ts'
import type { NicAttachment, VmSpec } from '../../vmm.ts'
import { type Drive, rootDrive, spareDrives } from './drive-list.ts'
import { inJail } from './jail-paths.ts'
import { requireRoom } from './room.ts'

/** One `PUT`. */
export interface ApiRequest {
  readonly path: string
  readonly body: object
}

/** The part of the configuration that a machine is made by. */
export type MachineSettings = Pick<HypervisorConfig, 'enableHugepages' | 'reclaimGuestFreedMemory'> &
  LimitConfig

export interface MachineRequests {
  readonly first: readonly ApiRequest[]
  readonly rest: readonly ApiRequest[]
}

/** The guest's context id; unique only within one VMM, as no packet leaves it. */
const guestCid = 3
/** It takes no memory itself; the guest tells by it what is free. */
const emptyBalloon = { amount_mib: 0, deflate_on_oom: true, free_page_reporting: true }
/** What Firecracker can make. */
const mostVcpus = 32

/**
 * Everything but the root disk, which goes between {@link MachineRequests.first} and the rest.
 *
 * @throws KataError VMM_OPTION_INVALID for a value that no machine can have.
 */
export function machineRequests(spec: VmSpec, settings: MachineSettings): MachineRequests {
  const { enableHugepages, reclaimGuestFreedMemory } = settings
  const limiter = configuredLimiter(settings)
  const size = { vcpu_count: vcpus(spec), mem_size_mib: memory(spec, enableHugepages) }
  const boot = bootSource(spec)
  const first = [
    { path: 'machine-config', body: { ...size, ...(enableHugepages ? { huge_pages: '2M' } : {}) } },
    { path: 'boot-source', body: boot },
  ]
  const rest = [
    ...spareDrives.map((drive) => putDrive(drive, limiter)),
    ...(spec.nics ?? []).map(putNic),
    { path: 'vsock', body: { guest_cid: guestCid, uds_path: inJail.vsock } },
    ...(reclaimGuestFreedMemory ? [{ path: 'balloon', body: emptyBalloon }] : []),
  ]
  const cards = spec.nics?.length ?? 0
  requireRoom({
    devices: rest.length + (spec.rootDisk === undefined ? 0 : 1),
    cards,
    bootArgs: boot.boot_args,
  })
  return { first, rest }
}

export const putRootDrive = (path: string, limiter?: RateLimiter): ApiRequest =>
  putDrive(rootDrive(path), limiter)

const putDrive = (drive: Drive, limiter?: RateLimiter): ApiRequest => ({
  path: `drives/${drive.drive_id}`,
  body: limiter === undefined ? drive : { ...drive, rate_limiter: limiter },
})

/** Puts another file behind a drive. A limit begins anew with it. */
export const patchDrive = (id: string, path: string, limiter?: RateLimiter): ApiRequest => ({
  path: `drives/${id}`,
  body: { drive_id: id, path_on_host: path, ...(limiter && { rate_limiter: limiter }) },
})

function putNic({ id, mac, tap }: NicAttachment): ApiRequest {
  if (tap === undefined)
    throw new KataError('VMM_OPTION_INVALID', { reason: `${id} is a descriptor, which it cannot take` })
  return { path: `network-interfaces/${id}`, body: { iface_id: id, guest_mac: mac, host_dev_name: tap } }
}

function bootSource(spec: VmSpec) {
  return {
    kernel_image_path: inJail.kernel,
    ...(spec.initrd === undefined ? {} : { initrd_path: inJail.initrd }),
    boot_args: kernelCommandLine(spec, [...ownParameters, `agent.server_addr=vsock://-1:${agentPort}`]),
  }
}

/**
 * The parameters of its machines. `reboot=k`: it takes the keyboard controller's reset for the guest's end, and the triple
 * fault that other VMMs are given for an error of its own. Its ACPI tables have no way to power off, so a reset is how the
 * agent ends the machine.
 */
const ownParameters = ['pci=off', 'reboot=k', 'agent.power_off=restart']

function vcpus({ vcpus }: VmSpec): number {
  const count = Math.ceil(vcpus)
  if (Number.isSafeInteger(count) && count > 0 && count <= mostVcpus) return count
  throw new KataError('VMM_OPTION_INVALID', {
    reason: `default_vcpus is ${vcpus}: Firecracker makes 1 to ${mostVcpus}`,
  })
}

function memory({ memoryMiB }: VmSpec, inHugePages: boolean): number {
  if (inHugePages && memoryMiB % 2 === 1)
    throw new KataError('VMM_OPTION_INVALID', {
      reason: `default_memory is ${memoryMiB}, and with enable_hugepages it must be an even number of MiB`,
    })
  if (Number.isSafeInteger(memoryMiB) && memoryMiB > 0) return memoryMiB
  throw new KataError('VMM_OPTION_INVALID', { reason: `default_memory is ${memoryMiB}` })
}
