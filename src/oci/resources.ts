/** `linux.resources` of the OCI runtime specification (config-linux.md, "Control groups"), and its reader. */
import { dictionary, list, needed, record } from '../json/compounds.ts'
import { bool, int64, int64FromMinusOne, type Reader, text, uint32, uint64 } from '../json/values.ts'
import { withUnifiedLimits } from './unified-limits.ts'

export interface OciResources {
  readonly devices?: readonly DeviceRule[]
  readonly memory?: OciMemory
  readonly cpu?: OciCpu
  readonly pids?: OciPids
  readonly blockIO?: OciBlockIO
  readonly hugepageLimits?: readonly OciHugepageLimit[]
  readonly network?: OciNetwork
  /** Files of cgroup v2 with what to write to them. */
  readonly unified?: Readonly<Record<string, string>>
}

/** What a container may do with a device. */
export interface DeviceRule {
  readonly allow?: boolean
  /** `a`, `b` or `c`; absent means `a`. */
  readonly type?: string
  /** Absent or negative: any. */
  readonly major?: number
  readonly minor?: number
  /** Letters of r, w, m. What absent means says accessOf (devices/device-rules.ts). */
  readonly access?: string
}

/** Bytes; -1 means no limit. */
export interface OciMemory {
  readonly limit?: number
  readonly reservation?: number
  /** The limit of memory and swap together. */
  readonly swap?: number
  readonly kernel?: number
  readonly kernelTCP?: number
  readonly swappiness?: number
  readonly disableOOMKiller?: boolean
  /** An update to a limit below what is used is to fail; the kernel would end processes. */
  readonly checkBeforeUpdate?: boolean
}

/** Times in microseconds. */
export interface OciCpu {
  readonly shares?: number
  /** Negative: no limit. */
  readonly quota?: number
  readonly period?: number
  readonly realtimeRuntime?: number
  readonly realtimePeriod?: number
  /** Processors of the host, such as `0-3,7`. */
  readonly cpus?: string
  readonly mems?: string
  /** What may be saved up of the quota. */
  readonly burst?: number
  /** 1: it gets the processor when nobody else wants it. */
  readonly idle?: number
}

export interface OciPids {
  /** Zero or less: no limit. */
  readonly limit?: number
}

export interface OciBlockIO {
  readonly weight?: number
  readonly leafWeight?: number
  readonly weightDevice?: readonly OciWeightDevice[]
  readonly throttleReadBpsDevice?: readonly OciThrottleDevice[]
  readonly throttleWriteBpsDevice?: readonly OciThrottleDevice[]
  readonly throttleReadIOPSDevice?: readonly OciThrottleDevice[]
  readonly throttleWriteIOPSDevice?: readonly OciThrottleDevice[]
}

export interface OciWeightDevice {
  readonly major: number
  readonly minor: number
  readonly weight?: number
  readonly leafWeight?: number
}

export interface OciThrottleDevice {
  readonly major: number
  readonly minor: number
  /** Bytes or operations a second. */
  readonly rate: number
}

export interface OciHugepageLimit {
  /** Such as 2MB. */
  readonly pageSize: string
  /** Bytes. */
  readonly limit: number
}

export interface OciNetwork {
  readonly classID?: number
  readonly priorities?: readonly { readonly name: string; readonly priority: number }[]
}

const throttlesReader = () =>
  list(record<OciThrottleDevice>({ major: needed(int64), minor: needed(int64), rate: needed(uint64) }))

/** Limits of memory and time that are in `unified` come as the fields that mean the same. */
export function resourcesReader(): Reader<OciResources> {
  const reader = fieldsReader()
  return (value, at) => withUnifiedLimits(reader(value, at), at)
}

const fieldsReader = () =>
  record<OciResources>({
    devices: list(record<DeviceRule>({ allow: bool, type: text, major: int64, minor: int64, access: text })),
    memory: record<OciMemory>({
      limit: int64FromMinusOne,
      reservation: int64FromMinusOne,
      swap: int64FromMinusOne,
      kernel: int64FromMinusOne,
      kernelTCP: int64FromMinusOne,
      swappiness: uint64,
      disableOOMKiller: bool,
      checkBeforeUpdate: bool,
    }),
    cpu: record<OciCpu>({
      shares: uint64,
      quota: int64,
      period: uint64,
      realtimeRuntime: int64,
      realtimePeriod: uint64,
      cpus: text,
      mems: text,
      burst: uint64,
      idle: int64,
    }),
    pids: record<OciPids>({ limit: int64 }),
    blockIO: record<OciBlockIO>({
      weight: uint32,
      leafWeight: uint32,
      weightDevice: list(
        record<OciWeightDevice>({
          major: needed(int64),
          minor: needed(int64),
          weight: uint32,
          leafWeight: uint32,
        }),
      ),
      throttleReadBpsDevice: throttlesReader(),
      throttleWriteBpsDevice: throttlesReader(),
      throttleReadIOPSDevice: throttlesReader(),
      throttleWriteIOPSDevice: throttlesReader(),
    }),
    hugepageLimits: list(record<OciHugepageLimit>({ pageSize: needed(text), limit: needed(uint64) })),
    network: record<OciNetwork>({
      classID: uint32,
      priorities: list(
        record<{ readonly name: string; readonly priority: number }>({
          name: needed(text),
          priority: needed(uint32),
        }),
      ),
    }),
    unified: dictionary(text),
  })
