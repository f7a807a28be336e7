/**
 * The requests of Firecracker's API that the double answers, field by field: names and types as in the API description
 * of the project, with which schema.test.ts compares them where it is at hand. `!` marks a field that must be there. Their
 * order is that in which the real program names them.
 */
import type { Schema } from '../../common/src/validate.ts'

export const types: Schema['types'] = {
  Balloon: {
    amount_mib: 'integer!',
    deflate_on_oom: 'boolean!',
    stats_polling_interval_s: 'integer',
    free_page_hinting: 'boolean',
    free_page_reporting: 'boolean',
  },
  BootSource: { kernel_image_path: 'string!', initrd_path: 'string', boot_args: 'string' },
  Drive: {
    drive_id: 'string!',
    partuuid: 'string',
    is_root_device: 'boolean!',
    cache_type: 'Drive.cache_type',
    is_read_only: 'boolean',
    path_on_host: 'string',
    rate_limiter: 'RateLimiter',
    io_engine: 'Drive.io_engine',
    socket: 'string',
  },
  EntropyDevice: { rate_limiter: 'RateLimiter' },
  InstanceActionInfo: { action_type: 'InstanceActionInfo.action_type!' },
  MachineConfiguration: {
    cpu_template: 'CpuTemplate',
    smt: 'boolean',
    mem_size_mib: 'integer!',
    track_dirty_pages: 'boolean',
    vcpu_count: 'integer!',
    huge_pages: 'MachineConfiguration.huge_pages',
  },
  NetworkInterface: {
    guest_mac: 'string',
    host_dev_name: 'string!',
    iface_id: 'string!',
    mtu: 'integer',
    rx_rate_limiter: 'RateLimiter',
    tx_rate_limiter: 'RateLimiter',
  },
  PartialDrive: { drive_id: 'string!', path_on_host: 'string', rate_limiter: 'RateLimiter' },
  RateLimiter: { bandwidth: 'TokenBucket', ops: 'TokenBucket' },
  TokenBucket: { one_time_burst: 'integer', refill_time: 'integer!', size: 'integer!' },
  Vm: { state: 'Vm.state!' },
  Vsock: { guest_cid: 'integer!', uds_path: 'string!', vsock_id: 'string' },
}

/** By their names, or by the field that has them: `TYPE.FIELD`. */
export const enumerations: Schema['enumerations'] = {
  CpuTemplate: ['C3', 'T2', 'T2S', 'T2CL', 'T2A', 'V1N1', 'None'],
  'Drive.cache_type': ['Unsafe', 'Writeback'],
  'Drive.io_engine': ['Sync', 'Async'],
  'InstanceActionInfo.action_type': ['FlushMetrics', 'InstanceStart', 'SendCtrlAltDel'],
  'MachineConfiguration.huge_pages': ['None', 'Transparent', '2M'],
  'Vm.state': ['Paused', 'Resumed'],
}

export const schema: Schema = { types, enumerations }
