/**
 * Keys and tables that Kata Containers (its Go and its Rust runtime) knows and kata-ts does not support. They are
 * named in a warning, so that nobody believes that a setting took effect. Source: Kata's configuration templates.
 */
import type { TableName } from './keys.ts'

const list = (text: string): readonly string[] => text.trim().split(/\s+/)

export const unsupportedKeys: Readonly<Record<TableName, readonly string[]>> = {
  hypervisor: list(`
    block_device_logical_sector_size block_device_num_queues block_device_physical_sector_size
    block_device_queue_size confidential_guest default_bridges default_gpu_model default_gpus
    disable_guest_selinux disable_image_nvdimm disable_nesting_checks disable_seccomp disable_selinux
    disk_rate_limiter_bw_max_rate disk_rate_limiter_bw_one_time_burst disk_rate_limiter_ops_max_rate
    disk_rate_limiter_ops_one_time_burst enable_guest_swap enable_iommu enable_iommu_platform
    enable_iothreads enable_numa enable_vhost_user_store extra_monitor_socket file_mem_backend firmware
    firmware_volume guest_extension_images guest_hook_path guest_memory_dump_paging guest_memory_dump_path
    hotplug_vfio_on_root_bus hypervisor_loglevel indep_iothreads initdata kernel_verity_params log_level
    machine_accelerators measurement_algo memory_offset msize_9p net_rate_limiter_bw_max_rate
    net_rate_limiter_bw_one_time_burst net_rate_limiter_ops_max_rate net_rate_limiter_ops_one_time_burst
    num_queues numa_mapping overhead_memory overhead_vcpus pcie_switch_port pflashes policy queue_size
    remote_hypervisor_socket remote_hypervisor_timeout rootless_user rx_rate_limiter_max_rate sev_snp_guest
    snp_guest_policy snp_id_auth snp_id_block tdx_quote_generation_service_socket_port
    tx_rate_limiter_max_rate use_legacy_serial valid_file_mem_backends valid_vhost_user_store_paths
    vhost_user_reconnect_timeout_sec vhost_user_store_path virtio_fs_cache_size virtio_fs_inode_file_handles
    vm_rootfs_driver factory
  `),
  'agent.kata': list(`
    cdh_api_timeout container_pipe_size debug_console_enabled dial_timeout_ms enable_tracing
    health_check_request_timeout_ms launch_process_timeout log_port mem_agent passfd_listener_port
    reconnect_timeout_ms server_port visible_cdi_devices
  `),
  runtime: list(`
    agent_name dan_conf disable_guest_empty_dir disable_new_netns emptydir_mode enable_pprof enable_tracing
    enable_vcpus_pinning experimental experimental_force_guest_pull guest_selinux_label jaeger_endpoint
    jaeger_password jaeger_user keep_abnormal kubelet_root_dir log_level name passfd_listener_port
    pod_resource_api_sock sandbox_bind_mounts shared_mounts use_passfd_io vfio_mode
  `),
}

/** Keys of [factory]: templates and the VM cache. */
export const factoryKeys = ['enable_template', 'template_path', 'vm_cache_number', 'vm_cache_endpoint']

/** Annotations of Kata that have no configuration key of the same name, by their table. */
export const unsupportedAnnotations: Readonly<Record<TableName, readonly string[]>> = {
  hypervisor: list(`
    blk_logical_sector_size blk_physical_sector_size hugepage_type prefetch_files.list
  `),
  'agent.kata': list('cdh_api_timeout_ms'),
  runtime: [],
}

/** Annotations (as `enable_annotations` names them) with which a pod asks that something be checked before it starts. */
export const refusedAnnotations = /^(\w+_hash|asset_hash_type|cc_init_data|agent\.policy)$/

/**
 * Keys without an effect of their own that may say what is so anyway: runtime-rs writes into every file which parts it is
 * made of. `hypervisor_name` must agree with the hypervisor table.
 */
export const statements: Readonly<Record<TableName, Readonly<Record<string, string | boolean>>>> = {
  hypervisor: {},
  'agent.kata': {},
  // An emptyDir that is no tmpfs is a directory of the host: Kata's templates say the same.
  runtime: { name: 'virt_container', agent_name: 'kata', disable_guest_empty_dir: true },
}

/** Keys that one of Kata's runtimes has in another table. */
export const movedKeys: Readonly<Record<string, readonly [TableName, string]>> = {
  'agent.kata.create_container_timeout': ['runtime', 'create_container_timeout'],
}

/** What to write instead of a key that kata-ts does not read. */
export const insteadOf: Readonly<Record<string, string>> = {
  dial_timeout_ms: 'dial_timeout, in seconds',
  reconnect_timeout_ms: 'dial_timeout, in seconds',
  log_level: 'enable_debug',
  hypervisor_loglevel: 'enable_debug',
  disable_seccomp: "nothing: the VMM's seccomp filter stays on",
  rootless_user: 'rootless: every sandbox has a user of its own',
}
