/**
 * What the sandbox asks of a virtual machine monitor. QEMU is the driver today; the interface fits Cloud Hypervisor
 * (REST, paused until vm.boot) and Firecracker (REST, InstanceStart) as well: create the process, look at it, then
 * let guest code run, and attach shares, disks and interfaces at any time afterwards.
 */
import type { ExitInfo, Identity, LaunchedProcess } from '../rootless/launch-spec.ts'

/** The machine to build, decided before any process exists. */
export interface VmSpec {
  readonly sandboxId: string
  readonly identity: Identity
  /** The VMM's private directory `/run/user/<uid>`: qmp.sock, agent.sock, console.sock and pid go here. */
  readonly privateDir: string
  /** Root-owned directory of the sandbox for jail skeleton and console log. */
  readonly stateDir: string
  readonly kernel: string
  readonly initrd: string
  /** Extra kernel parameters, appended last. */
  readonly kernelParams: readonly string[]
  readonly vcpus: number
  readonly maxVcpus: number
  readonly memoryMiB: number
  readonly maxMemoryMiB: number
  readonly accelerator: 'kvm' | 'tcg'
  /** Present when the share is attached at boot instead of plugged in afterwards. */
  readonly share?: ShareAttachment
}

/** A vhost-user-fs backend that already listens; `socket` is a connected descriptor for the VMM. */
export interface ShareAttachment {
  readonly tag: string
  readonly socket: number
  readonly queueSize: number
}

/** How the machine ended, and what its console said last. */
export interface VmEnd {
  readonly reason: 'exited' | 'guest-panicked' | 'internal-error' | 'shutdown'
  readonly exit?: ExitInfo
  readonly consoleTail: string
}

export interface Vmm {
  /** Starts the confined process with the machine built but no guest code running; posture is verified here. */
  start(): Promise<LaunchedProcess>
  /** Lets guest code run. */
  boot(): Promise<void>
  /** Path of the socket behind which the guest agent answers, or its hybrid vsock; connected before {@link boot}. */
  readonly agent: AgentEndpoint
  /** Settles once, when the machine is over for whatever reason. */
  readonly ended: Promise<VmEnd>
  /** Last bytes of the guest console, for reports. */
  consoleTail(): string
  pause(): Promise<void>
  resume(): Promise<void>
  plugShare(share: ShareAttachment): Promise<void>
  /** Ends the process and waits for it; safe to call again. */
  stop(): Promise<void>
}

export type AgentEndpoint =
  | { readonly kind: 'serial'; readonly socketPath: string }
  | { readonly kind: 'hybrid-vsock'; readonly socketPath: string; readonly port: number }
