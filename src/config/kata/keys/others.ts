/** Functions of Kata's other tables that kata-ts does not have, or has under another name. */
import { type KataKey, kataKeysOf } from '../kata-key.ts'

const agent = kataKeysOf('agent.kata')
const runtime = kataKeysOf('runtime')
const factory = kataKeysOf('factory')
const memory = kataKeysOf('mem_agent')

const tracing = 'traces are not made'
const inUse = 'counts with enable_tracing only'
const ports = "the agent's ports are fixed"
const memoryAgent = 'the guest has no memory agent'

export const otherKeys = (): readonly KataKey[] => [
  agent.warned('enable_tracing', [false], tracing),
  agent.warned('debug_console_enabled', [false], 'the guest has no debug console'),
  agent.warned('log_level', ['', 'info'], 'instead: enable_debug'),
  // What Kata's file for Firecracker says is our dial_timeout.
  agent.warned('dial_timeout_ms', [10, 45000], 'instead: dial_timeout, in seconds'),
  agent.warned('reconnect_timeout_ms', [3000], 'instead: dial_timeout, in seconds'),
  agent.warned('request_timeout_ms', [30000], 'calls of the agent have deadlines of their own'),
  agent.warned('health_check_request_timeout_ms', [90000], 'the agent is asked in other intervals'),
  agent.warned('container_pipe_size', [0, 1], 'pipes have the size that the guest kernel gives them'),
  agent.warned('server_port', [1024], ports),
  agent.warned('log_port', [1025], ports),
  agent.warned('passfd_listener_port', [0, 1027], ports),
  agent.warned('visible_cdi_devices', [false], 'the guest has no CDI devices'),
  ...['mem_agent_enable', 'enable'].map((key) => memory.warned(key, [false], memoryAgent)),
  ...[
    ...['memcg_disable', 'memcg_swap', 'memcg_swappiness_max', 'memcg_period_secs'],
    ...['memcg_period_psi_percent_limit', 'memcg_eviction_psi_percent_limit'],
    ...['memcg_eviction_run_aging_count_min', 'compact_disable', 'compact_period_secs'],
    ...['compact_period_psi_percent_limit', 'compact_psi_percent_limit', 'compact_sec_max'],
    ...['compact_order', 'compact_threshold', 'compact_force_times'],
  ].map((key) => memory.silent(key, 'counts with mem_agent_enable only')),

  runtime.warned('name', ['virt_container'], 'there is one runtime'),
  runtime.warned('agent_name', ['kata'], 'there is one agent'),
  runtime.warned('log_level', ['', 'info'], 'instead: enable_debug'),
  runtime.warned('enable_tracing', [false], tracing),
  runtime.silent('jaeger_endpoint', inUse),
  runtime.silent('jaeger_user', inUse),
  runtime.silent('jaeger_password', inUse),
  runtime.warned('enable_pprof', [false], 'the shim has no profiler'),
  runtime.warned('keep_abnormal', [false], 'what has failed is cleaned up'),
  runtime.warned('disable_new_netns', [false], 'the VMM is always in a network namespace of its own'),
  runtime.warned('dan_conf', ['', '/run/kata-containers/dans'], 'no network devices are taken from files'),
  runtime.warned('sandbox_bind_mounts', [[]], 'the guest gets no directories beside its containers'),
  runtime.warned('shared_mounts', [[]], 'containers of a pod share nothing but volumes'),
  // An emptyDir that is no tmpfs is a directory of the host: true says so, false is runtime-rs' default.
  runtime.warned('disable_guest_empty_dir', [true, false], 'emptyDir volumes are on the host'),
  runtime.warned('vsock_uds_forward', [[]], "no vsock of a guest leads to the host's sockets"),
  runtime.warned('pod_resource_api_sock', [''], 'kubelet is not asked for devices'),
  runtime.warned(
    'vfio_mode',
    ['guest-kernel', ''],
    "the guest's kernel drives a device, as with guest-kernel",
  ),
  runtime.warned('use_passfd_io', [false], 'input and output go through the agent'),
  runtime.silent('passfd_listener_port', 'counts with use_passfd_io only'),

  factory.silent('vm_cache_endpoint', 'waiting machines have sockets of their own below the run directory'),
]
