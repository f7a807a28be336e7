/** Functions of Kata's hypervisor tables that kata-ts does not have, or has under another name. */
import { type KataKey, kataKeysOf } from '../kata-key.ts'

const { warned, silent } = kataKeysOf('hypervisor')

const firmware = 'the guest starts without firmware'
export const noSwap = 'guests have no swap'
const swap = 'counts with enable_guest_swap only'
const vhostUser = 'counts with enable_vhost_user_store only'
const template = 'instead: enable_template in [factory]'
const elsewhere = 'counts with hypervisors that kata-ts does not have'

export const hypervisorKeys = (): readonly KataKey[] => [
  warned('firmware', [''], firmware),
  warned('firmware_volume', [''], firmware),
  warned('pflashes', [[]], firmware),
  warned('machine_accelerators', [''], 'QEMU gets no further machine options'),
  warned('use_legacy_serial', [false], "the guest's console is a virtio device"),
  warned('extra_monitor_socket', [''], 'the VMM has no further monitor'),
  warned('dbg_monitor_socket', [''], 'the VMM has no further monitor'),
  warned('hypervisor_loglevel', [0, 1], 'instead: enable_debug'),
  warned('log_level', ['', 'info'], 'instead: enable_debug'),
  warned('ctlpath', [''], 'there is no such program'),
  silent('valid_ctlpaths', 'allows annotations that are not there'),

  warned('enable_iommu', [false], 'guests have no virtual IOMMU'),
  warned('enable_iommu_platform', [false], 'guests have no virtual IOMMU'),
  warned('enable_numa', [false], 'guests have one NUMA node'),
  warned('numa_mapping', [[]], 'guests have one NUMA node'),
  warned('default_bridges', [0, 1], 'devices are plugged into root ports: instead pcie_root_port'),
  warned('pcie_switch_port', [0], 'instead: pcie_root_port'),
  warned('hotplug_vfio_on_root_bus', [false], 'instead: hot_plug_vfio = "root-port"'),
  warned('default_gpus', [0], 'instead: hot_plug_vfio or cold_plug_vfio'),
  warned('default_gpu_model', [''], 'instead: hot_plug_vfio or cold_plug_vfio'),

  warned('memory_offset', [0], 'no memory is set aside for NVDIMM devices'),
  warned('file_mem_backend', [''], "the guest's memory is in no file that has a name"),
  silent('valid_file_mem_backends', 'allows annotations that are not there'),
  warned('hugepage_type', ['', 'hugetlbfs'], 'huge pages are those of hugetlbfs'),
  silent('overhead_memory', 'a machine has default_memory besides what its containers ask for'),
  silent('overhead_vcpus', 'a machine has default_vcpus besides what its containers ask for'),
  warned('enable_swap', [false], "the host decides about swap of the guest's memory"),
  warned('enable_guest_swap', [false], noSwap),
  silent('guest_swap_path', swap),
  silent('guest_swap_size_percent', swap),
  silent('guest_swap_create_threshold_secs', swap),
  warned('guest_memory_dump_path', [''], 'the memory of a guest that panics is not written to a file'),
  silent('guest_memory_dump_paging', 'counts with guest_memory_dump_path only'),

  warned('block_device_logical_sector_size', [0], 'disks have the sector size of the host', {
    annotation: 'blk_logical_sector_size',
  }),
  warned('block_device_physical_sector_size', [0], 'disks have the sector size of the host', {
    annotation: 'blk_physical_sector_size',
  }),
  ...['num_queues', 'block_device_num_queues'].map((key) => warned(key, [0, 1], 'disks have one queue')),
  ...['queue_size', 'block_device_queue_size'].map((key) =>
    warned(key, [0, 128], 'the VMM decides how long the queues of disks are'),
  ),
  warned('enable_iothreads', [false], 'disks have no thread of their own'),
  warned('indep_iothreads', [0], 'disks have no thread of their own'),
  warned('enable_vhost_user_store', [false], 'there are no vhost-user disks'),
  silent('vhost_user_store_path', vhostUser),
  silent('valid_vhost_user_store_paths', vhostUser),
  silent('vhost_user_reconnect_timeout_sec', vhostUser),
  silent('vm_rootfs_driver', "the guest's image is a virtio-blk disk"),
  silent('disable_image_nvdimm', "the guest's image is a virtio-blk disk"),
  warned('prefetch_list_path', [''], 'images are not loaded lazily', { annotation: 'prefetch_files.list' }),

  silent('msize_9p', 'counts with shared_fs = "virtio-9p" only'),
  warned('virtio_fs_cache_size', [0], 'the share has no DAX window'),
  warned('virtio_fs_is_dax', [false], 'the share has no DAX window'),
  warned('virtio_fs_inode_file_handles', ['', 'never', 'prefer'], 'instead: virtio_fs_extra_args'),

  warned('guest_hook_path', [''], 'hooks in the guest are not run'),
  silent('disable_nesting_checks', 'nothing is done otherwise inside a virtual machine'),
  silent('use_vsock', 'agent_channel decides'),
  warned('rootless_user', [], 'instead: rootless, with which every sandbox has a user of its own'),
  warned('boot_to_be_template', [false], template),
  warned('boot_from_template', [false], template),
  warned('memory_path', [''], template),
  warned('device_state_path', [''], template),
  ...[
    ...['remote_hypervisor_socket', 'remote_hypervisor_timeout'],
    ...['hypervisor_socket', 'hypervisor_timeout'],
  ].map((key) => silent(key, elsewhere)),
]
