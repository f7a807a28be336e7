/** Keys by which Kata protects or limits something. They are refused, because the operator would rely on them in vain. */
import { type KataKey, kataKeysOf } from '../kata-key.ts'

const machine = kataKeysOf('hypervisor')
const agent = kataKeysOf('agent.kata')
const runtime = kataKeysOf('runtime')
const image = kataKeysOf('image')

const confidential = 'confidential guests are not supported'
const verity = "dm-verity of the guest's image is not supported"
const selinux = 'SELinux in the guest is not supported'
const netLimit = 'instead: rx_rate_limiter_max_rate and tx_rate_limiter_max_rate'
const guestPull = 'images pulled in the guest are not supported'
const policy = 'policies of the agent are not supported'
const checksum = 'kata-ts does not check this file'

export const protectionKeys = (): readonly KataKey[] => [
  machine.refused('confidential_guest', [false], confidential),
  machine.refused('sev_snp_guest', [false], confidential),
  machine.refused('snp_id_block', [''], confidential),
  machine.refused('snp_id_auth', [''], confidential),
  // Kata's default, the least that SEV-SNP asks for.
  machine.refused('snp_guest_policy', [0, 196608], confidential),
  machine.refused('measurement_algo', ['', 'sha512'], confidential),
  machine.refused('initdata', [''], confidential, { annotation: 'cc_init_data' }),
  machine.silent('tdx_quote_generation_service_socket_port', 'counts with confidential_guest only'),
  agent.silent('cdh_api_timeout', 'counts in confidential guests only'),
  agent.silent('cdh_api_timeout_ms', 'counts in confidential guests only'),
  agent.silent('launch_process_timeout', 'counts in confidential guests only'),

  machine.refused('kernel_verity_params', [''], verity),
  ...['guest_extension_images', 'extra_images'].map((key) =>
    machine.refused(key, [[]], 'further images for the guest, with their dm-verity, are not supported'),
  ),
  machine.refused('firmware_hash', [], checksum),
  machine.refused('firmware_volume_hash', [], checksum),
  machine.refused('hypervisorctl_hash', [], checksum),
  machine.refused('asset_hash_type', ['sha512'], 'checksums are SHA-512 and nothing else'),

  machine.refused('disable_guest_selinux', [true], selinux),
  machine.refused('selinux_label', [''], selinux),
  runtime.refused('guest_selinux_label', [''], selinux),
  // Both values are silent: the VMM has no label of its own, and false, Kata's default, asks for the label of the OCI process.
  machine.warned('disable_selinux', [true, false], 'the VMM has no SELinux label of its own'),

  ...['bw_max_rate', 'bw_one_time_burst', 'ops_max_rate', 'ops_one_time_burst'].map((name) =>
    machine.refused(`net_rate_limiter_${name}`, [0], netLimit),
  ),

  machine.silent(
    'disable_nested_virtualization',
    'a guest is no host of machines unless cpu_features asks for that',
  ),
  machine.warned('disable_seccomp', [false], "the VMM's seccomp filter stays on"),

  runtime.refused('experimental_force_guest_pull', [false], guestPull),
  image.refused('service_offload', [false], guestPull),
  image.silent('provision', 'counts with service_offload only'),
  runtime.warned('experimental', [[]], 'there are no experimental features', {
    refusedItem: 'force_guest_pull',
  }),

  machine.refused('policy', [''], policy),
  agent.refused('policy', [''], policy),
]
