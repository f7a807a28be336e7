/** How a running machine of Cloud Hypervisor becomes larger or smaller. */
import type { MachineSize } from '../vmm.ts'
import type { VmConfig } from './vm-config.ts'

const mebibyte = 1024 * 1024

/** Body of vm.resize. */
export interface ResizeRequest {
  readonly desired_vcpus?: number
  readonly desired_ram?: number
}

/** What of `wanted` the machine can become: memory comes as modules, which no guest gives back. */
export function reachableSize(
  wanted: MachineSize,
  now: MachineSize,
  { cpus, memory }: VmConfig,
): MachineSize {
  const mostMiB = (memory.size + (memory.hotplug_size ?? 0)) / mebibyte
  return {
    vcpus: Math.max(1, Math.min(wanted.vcpus, cpus.max_vcpus)),
    memoryMiB: Math.max(now.memoryMiB, Math.min(wanted.memoryMiB, mostMiB)),
  }
}

/** Only what changes; undefined when nothing does. */
export function resizeRequest(size: MachineSize, now: MachineSize): ResizeRequest | undefined {
  const request = {
    ...(size.vcpus === now.vcpus ? {} : { desired_vcpus: size.vcpus }),
    ...(size.memoryMiB === now.memoryMiB ? {} : { desired_ram: size.memoryMiB * mebibyte }),
  }
  return Object.keys(request).length === 0 ? undefined : request
}
