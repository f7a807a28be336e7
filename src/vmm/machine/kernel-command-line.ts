/** The guest kernel's parameters, for whichever VMM: what boots fastest without giving up a mitigation. */
import type { MachineSpec } from '../vmm.ts'

/** Initcalls of a distribution kernel that a guest without keyrings, BTF tracing and HDMI needs none of. */
const skippedInitcalls = [
  'load_system_certificate_list',
  'jent_mod_init',
  'bpf_tcp_ca_kfunc_init',
  'bpf_dummy_struct_ops_init',
  'bpf_prog_test_run_init',
  'cec_init',
  'init_encrypted',
  'ftrace_check_sync',
  'crypto_kdf108_init',
]

/**
 * `init_on_alloc=0` must never be among them: under TCG a share daemon writes guest memory unseen by the translator,
 * and only the kernel's own zeroing of a page throws its stale translations away. Without it programs crash.
 *
 * reboot=t and panic=-1: a panicked guest resets by triple fault at once, instead of a second of waiting and more of
 * polling a keyboard controller that this machine does not have; the VMM takes the reset as the end.
 */
const always = [
  'quiet',
  'console=ttyS0',
  'cryptomgr.notests',
  'noreplace-smp',
  'lsm=capability',
  'audit=0',
  'random.trust_cpu=on',
  'no_timer_check',
  'tsc=reliable',
  'pci=lastbus=0',
  '8250.nr_uarts=1',
  'reboot=t',
  'panic=-1',
  // A kernel that went on after an oops may hang for ever without a word, and is not to be trusted anyway.
  'oops=panic',
  'swiotlb=noforce',
  `initcall_blacklist=${skippedInitcalls.join(',')}`,
]

/**
 * How the guest gets to its disk. Our initrd's agent is told by words of its own (guest/agent/src/boot/root-disk.ts),
 * which no kernel acts on; a kernel without an initrd by the same ones as Kata's. The disk is the only one at boot, so it
 * is vda.
 */
function root({ rootDisk, initrd }: MachineSpec): string[] {
  if (rootDisk === undefined) return []
  const { fsType } = rootDisk
  if (initrd !== undefined) return ['agent.root=/dev/vda', `agent.rootfstype=${fsType}`]
  const flags = fsType === 'ext4' ? ['rootflags=data=ordered,errors=remount-ro'] : []
  return ['root=/dev/vda1', ...flags, 'ro', `rootfstype=${fsType}`]
}

/** The whole command line: `own` are the VMM's parameters; the configured ones come last so that they win. */
export function kernelCommandLine(spec: MachineSpec, own: readonly string[] = []): string {
  return [...always, ...own, ...root(spec), ...spec.kernelParams].join(' ')
}
