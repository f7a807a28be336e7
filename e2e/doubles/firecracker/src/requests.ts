/** The bodies that the double acts on; schema.ts has been asked about all of their fields before. */
import type { RateLimiter } from '../../common/src/throttle.ts'

export interface Balloon {
  readonly amount_mib: number
  readonly free_page_reporting?: boolean
}

export interface BootSource {
  readonly kernel_image_path: string
  readonly boot_args?: string
  readonly initrd_path?: string
}

export interface Drive {
  readonly drive_id: string
  readonly is_root_device: boolean
  readonly is_read_only?: boolean
  readonly path_on_host?: string
  readonly rate_limiter?: RateLimiter
}

export interface MachineConfiguration {
  readonly vcpu_count: number
  readonly mem_size_mib: number
  readonly smt?: boolean
  readonly huge_pages?: 'None' | 'Transparent' | '2M'
}

export interface NetworkInterface {
  readonly iface_id: string
  readonly host_dev_name: string
  readonly guest_mac?: string
}

export interface Vsock {
  readonly guest_cid: number
  readonly uds_path: string
}
