/** OCI `linux.resources` as the agent's message; names differ by their capitals only. */
import type * as agent from '../../protocol/generated/oci.ts'
import { accessOf } from '../devices/device-rules.ts'
import type {
  DeviceRule,
  OciBlockIO,
  OciCpu,
  OciMemory,
  OciNetwork,
  OciResources,
  OciThrottleDevice,
} from '../resources.ts'
import { int64, uint64 } from './agent-numbers.ts'

/** Pure. What is absent gets the protocol's default, which the agent takes for absent. */
export function toAgentResources(resources: OciResources): agent.LinuxResources {
  const { devices = [], memory, cpu, pids, blockIO, hugepageLimits = [], network, unified = {} } = resources
  return {
    devices: devices.map(toRule),
    memory: memory && toMemory(memory),
    cpu: cpu && toCpu(cpu),
    pids: pids && { limit: int64(pids.limit) },
    blockIo: blockIO && toBlockIo(blockIO),
    hugepageLimits: hugepageLimits.map(({ pageSize, limit }) => ({
      pagesize: pageSize,
      limit: uint64(limit),
    })),
    network: network && toNetwork(network),
    unified: { ...cpuFiles(cpu), ...unified },
  }
}

/** The message says "any" by -1, or by a rule without a type. */
function toRule(rule: DeviceRule): agent.LinuxDeviceCgroup {
  const { allow = false, type = '', major = type === '' ? 0 : -1, minor = type === '' ? 0 : -1 } = rule
  return { allow, type, major: int64(major), minor: int64(minor), access: accessOf(rule) }
}

function toMemory(memory: OciMemory): agent.LinuxMemory {
  return {
    limit: int64(memory.limit),
    reservation: int64(memory.reservation),
    swap: int64(memory.swap),
    kernel: int64(memory.kernel),
    kernelTcp: int64(memory.kernelTCP),
    swappiness: uint64(memory.swappiness),
    disableOomKiller: memory.disableOOMKiller ?? false,
  }
}

function toCpu(cpu: OciCpu): agent.LinuxCPU {
  return {
    shares: uint64(cpu.shares),
    quota: int64(cpu.quota),
    period: uint64(cpu.period),
    realtimeRuntime: int64(cpu.realtimeRuntime),
    realtimePeriod: uint64(cpu.realtimePeriod),
    cpus: cpu.cpus ?? '',
    mems: cpu.mems ?? '',
  }
}

/** What the message has no field for goes as the file of cgroup v2 that it means. */
function cpuFiles({ idle, burst }: OciCpu = {}): Record<string, string> {
  return {
    ...(idle !== undefined && { 'cpu.idle': String(idle) }),
    ...(burst !== undefined && { 'cpu.max.burst': String(uint64(burst)) }),
  }
}

function toBlockIo(disks: OciBlockIO): agent.LinuxBlockIO {
  const weights = disks.weightDevice ?? []
  return {
    weight: disks.weight ?? 0,
    leafWeight: disks.leafWeight ?? 0,
    weightDevice: weights.map(({ major, minor, weight = 0, leafWeight = 0 }) => ({
      major: int64(major),
      minor: int64(minor),
      weight,
      leafWeight,
    })),
    throttleReadBpsDevice: toThrottles(disks.throttleReadBpsDevice),
    throttleWriteBpsDevice: toThrottles(disks.throttleWriteBpsDevice),
    throttleReadIopsDevice: toThrottles(disks.throttleReadIOPSDevice),
    throttleWriteIopsDevice: toThrottles(disks.throttleWriteIOPSDevice),
  }
}

function toThrottles(devices: readonly OciThrottleDevice[] = []): agent.LinuxThrottleDevice[] {
  return devices.map(({ major, minor, rate }) => ({
    major: int64(major),
    minor: int64(minor),
    rate: uint64(rate),
  }))
}

function toNetwork({ classID = 0, priorities = [] }: OciNetwork): agent.LinuxNetwork {
  return { classId: classID, priorities: priorities.map((priority) => ({ ...priority })) }
}
