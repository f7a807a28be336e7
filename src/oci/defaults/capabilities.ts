/** Capabilities of the kernel (capabilities(7)), in the order of their numbers, and those that a container has by default. */

const words = (text: string) => text.trim().split(/\s+/)

export const allCapabilities: readonly string[] = words(`
  CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
  NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
  SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
  MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
`).map((name) => `CAP_${name}`)

export interface CapabilityGroup {
  /** Why a container has them. */
  readonly because: string
  readonly names: readonly string[]
}

/** Those of docker. All of them are about the guest: none reaches the host. */
export const defaultCapabilityGroups: readonly CapabilityGroup[] = [
  {
    because: 'Root of a container owns its files: package managers write, chown and chmod what is others’.',
    names: ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_FSETID', 'CAP_SETFCAP'],
  },
  { because: 'Device nodes are made in images; the device rules say which work.', names: ['CAP_MKNOD'] },
  {
    because: 'Servers begin as root and give it up.',
    names: ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP'],
  },
  { because: 'Root of a container ends its processes.', names: ['CAP_KILL'] },
  {
    because: 'Ports below 1024, and ping.',
    names: ['CAP_NET_BIND_SERVICE', 'CAP_NET_RAW'],
  },
  { because: 'Programs lock themselves into a directory.', names: ['CAP_SYS_CHROOT'] },
  { because: 'Programs that log people in write to the audit log.', names: ['CAP_AUDIT_WRITE'] },
]

/** Sorted, as docker lists them. */
export const defaultCapabilities: readonly string[] = defaultCapabilityGroups
  .flatMap(({ names }) => names)
  .toSorted()
