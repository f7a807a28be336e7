/**
 * What the sandbox asks of a virtual machine monitor, whichever it is (create.ts): create the process, look at it, then
 * let guest code run, and attach disks and interfaces at any time afterwards.
 */
import type { Config, KvmAccess, RootfsType } from '../config/config.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { FileFacts } from '../linux/files/file-facts.ts'
import type { Logger } from '../log.ts'
import type { AgentEndpoint } from '../protocol/agent-endpoint.ts'
import type { ExitInfo, Identity, LaunchedProcess } from '../rootless/jail/launch-spec.ts'
import type { DiskAddress, DiskAttachment } from './machine/disk.ts'
import type { PassThrough, VfioAttachment } from './machine/pass-through.ts'

/** The machine to build, decided before any process exists. */
export interface VmSpec extends MachineSpec {
  readonly identity: Identity
  /** The VMM's private directory `/run/user/<uid>`: qmp.sock, agent.sock, console.sock and pid go here. */
  readonly privateDir: string
  /** Root-owned directory of the sandbox for jail skeleton and console log. */
  readonly stateDir: string
}

/** The machine alone, whoever runs it and wherever. */
export interface MachineSpec {
  readonly sandboxId: string
  readonly kernel: string
  /** Absent when the kernel finds its root on {@link rootDisk} by itself. */
  readonly initrd?: string
  /** The guest's root file system; absent when it is the initrd. */
  readonly rootDisk?: RootDisk
  /** Extra kernel parameters, appended last. */
  readonly kernelParams: readonly string[]
  /** A fraction is rounded up. */
  readonly vcpus: number
  /** 0 means as many as the host has. */
  readonly maxVcpus: number
  readonly memoryMiB: number
  /** 0 means the host's memory. */
  readonly maxMemoryMiB: number
  readonly accelerator: 'kvm' | 'tcg'
  /** How the VMM comes to KVM: by the node's group (default), or by a descriptor, which takes neither group nor node. */
  readonly kvmAccess?: KvmAccess
  /** CPU model under KVM; default `host`. */
  readonly kvmCpu?: string
  /** Of host directories; absent without a shared file system. It is there at boot or not at all. */
  readonly share?: ShareAttachment
  /** A second one, of volumes. */
  readonly volumeShare?: ShareAttachment
  /** A TPM 2.0 emulator's control channel: a connected descriptor for the VMM. */
  readonly tpm?: { readonly socket: number }
  /** The host kernel's vsock with an address claimed by it: the agent answers there instead of on virtio-serial. */
  readonly vsock?: VsockAttachment
  /** Devices of the host that the guest drives itself from the start; default none. */
  readonly vfio?: readonly VfioAttachment[]
  /** Network cards that are there at boot; default none. */
  readonly nics?: readonly NicAttachment[]
  /** Whether it is a template, or a clone of one; absent for a machine that boots by itself. */
  readonly template?: TemplateUse
  /** What this very machine was saved in, with all its devices: it goes on from there. Its disks are plugged in before. */
  readonly resumed?: SavedMachine
  /** The namespace that their taps are in, for a VMM that opens them by name; it is started there. */
  readonly netns?: { readonly path: string; readonly interfaces: readonly string[] } | undefined
}

/**
 * `make`: it boots, to be saved; with its memory in a file of its own by `make-apart`. Otherwise what a machine like it was saved in: its
 * guest goes on from there. A template has neither network nor share; what a clone has of them is plugged in before its guest goes on.
 */
export type TemplateUse = 'make' | 'make-apart' | SavedFiles

export interface SavedMachine {
  /** Path of its state. */
  readonly state: string
  /** {@link SavedFiles.recorded}. */
  readonly recorded: FileFacts
  /** Whether it began as a clone: then it has ports, and devices in them, as a clone. */
  readonly wasClone: boolean
}

/** Paths of what a machine is saved in. */
export interface SavedPaths {
  readonly state: string
  /**
   * The guest's memory, where it is not in the state. The machine maps it for itself: what its guest does not write it has in common with all
   * others that map it. Everybody may read this file who can reach it, and a share's daemon could not follow what the guest writes.
   */
  readonly memory?: string
}

/** What was saved there, to go on from. */
export interface SavedFiles extends SavedPaths {
  /** Of the state, as it was looked at: a machine goes on from no other file that has come to have its name. */
  readonly recorded: FileFacts
}

/** Descriptors that were opened for writing, for the same. */
export interface SaveTo {
  readonly state: number
  readonly memory?: number
}

/** What a saved machine was made of: it can only go on in one that is made of the same. */
export interface TemplateShape {
  readonly args: readonly string[]
  /** Files and directories whose content counts. */
  readonly files: readonly string[]
  /** As far as it can grow, MiB. */
  readonly mostMemoryMiB: number
}

/** A raw disk image with a file system on the whole of it or on its first partition. Guests only read it. */
export interface RootDisk {
  /** Path on the host; the VMM gets it open and never sees the path. */
  readonly image: string
  readonly fsType: RootfsType
}

/** What a driver can do, whatever the machine. */
export interface VmmFeatures {
  /**
   * How it gets to the share's daemon: by a connected descriptor, or by the path of a socket that its user may open. `none`:
   * it has no shared file system.
   */
  readonly share: 'descriptor' | 'path' | 'none'
  /** How it gets to taps: by descriptors, or by their names in the network namespace that it is started in. */
  readonly nics: 'descriptor' | 'name'
  /** It makes sockets of its own in the private directory, which is then a small file system of its own. */
  readonly ownSockets: boolean
  /** It has a node of KVM of its own, so that its user needs no group for that. */
  readonly ownKvmNode: boolean
}

/** What every driver is made from. */
export interface VmmOptions {
  readonly spec: VmSpec
  readonly config: Pick<Config, 'hypervisor'>
  /** Holds the process, by `processResource`. */
  readonly ledger: Ledger
  readonly log: Logger
  /** The configured one; default none, so that what is usual counts. */
  readonly patience?: Patience
  /** Ends a start that is under way. */
  readonly signal?: AbortSignal
}

/** How long a VMM may take over what takes long on some hosts, seconds. */
export interface Patience {
  /** Until it answers after its start (`dial_timeout`). */
  readonly start: number
  /** Until a device of the host that comes later is in the machine (`create_container_timeout`). */
  readonly plug: number
}

/** What a trial of KVM is made from. */
export interface ProbeOptions extends Omit<VmmOptions, 'spec'> {
  readonly spec: Omit<VmSpec, 'accelerator'>
  /** How long the guest may take from its first instruction on, milliseconds. */
  readonly limitMs: number
}

/** A descriptor of /dev/vhost-vsock for the VMM; the caller closes its copy. */
export interface VsockAttachment {
  readonly fd: number
  readonly cid: number
}

/** A vhost-user-fs backend that already listens. */
export interface ShareAttachment {
  readonly tag: string
  /** A connected descriptor for the VMM; for one that connects by itself the path ({@link VmmFeatures.share}). */
  readonly socket: number | string
  readonly queueSize: number
}

/** A network card whose packets go through taps: descriptors that were opened where the network is, one a queue. */
export interface NicAttachment {
  readonly id: string
  readonly mac: string
  /** Bytes. */
  readonly mtu: number
  readonly taps: readonly number[]
  /** The tap's name, for a VMM that opens it by that; there are no descriptors then. */
  readonly tap?: string
  /** As many descriptors of /dev/vhost-net, or none: the VMM moves the packets itself then. */
  readonly vhosts?: readonly number[]
}

/** What a machine has of processors and memory. */
export interface MachineSize {
  readonly vcpus: number
  readonly memoryMiB: number
}

/** How the machine ended, and what its console said last. */
export interface VmEnd {
  /** `shutdown`: the guest switched itself off; `reset`: it would have started anew, and that is an end as well. */
  readonly reason: 'exited' | 'guest-panicked' | 'internal-error' | 'shutdown' | 'reset'
  readonly exit?: ExitInfo
  /** Last lines of the guest's console; control characters are removed. */
  readonly consoleTail: string
  /** Last lines that the VMM itself wrote. */
  readonly logTail: string
}

export interface Vmm {
  /**
   * Starts the confined process with the machine built but no guest code running; posture is verified here. When it
   * throws, no process is left.
   */
  start(): Promise<LaunchedProcess>
  /** Lets guest code run. */
  boot(): Promise<void>
  /** Path of the socket behind which the guest agent answers, or its hybrid vsock; connected before {@link boot}. */
  readonly agent: AgentEndpoint
  /** Processors that the guest has but does not use until the agent brings them online (OnlineCPUMem) after boot. */
  readonly offlineVcpus: number
  /** Settles once, when the machine is over for whatever reason, {@link stop} included. */
  readonly ended: Promise<VmEnd>
  /** Last bytes of the guest console, for reports. */
  consoleTail(): string
  /** Plugs a disk into a machine that runs, or is to go on; the caller still closes its copy of the descriptor. Whole or not at all. */
  plugDisk(disk: DiskAttachment): Promise<DiskAddress>
  /** Takes a disk out and waits until guest and VMM have let go of it; nothing for one that is not there. */
  unplugDisk(id: string): Promise<void>
  /**
   * Has the guest see the size that a plugged disk has by now. What lies behind it on the host has been resized before;
   * no byte of it is touched.
   *
   * @throws KataError VMM_OPTION_INVALID for a disk that is not there, VMM_COMMAND_FAILED with the VMM's reason.
   */
  resizeDisk(id: string, bytes: number): Promise<void>
  /** Devices of the host that the guest drives itself; absent when this VMM takes none. */
  readonly passThrough?: PassThrough
  /** Plugs a network card into a running machine; the caller still closes its copies of the descriptors. */
  plugNic(nic: NicAttachment): Promise<void>
  /**
   * Grows or shrinks the running machine as near to `size` as it can go and resolves with what it really has then;
   * processors that are more than before still have to be brought online by the agent. Memory grows by whole memory
   * blocks of the guest.
   *
   * @throws KataError VMM_MEMORY_SLOTS, VMM_MEMORY_REFUSED, VMM_NO_HUGEPAGES, VMM_COMMAND_FAILED.
   */
  resize(size: MachineSize): Promise<MachineSize>
  /** Processors that the machine has by now, where a guest may give one up after {@link resize} has resolved. */
  readonly vcpus?: number | undefined
  /**
   * Stops the guest, and writes its state to the file, and its memory to the other one, which a machine has by `make-apart` alone; absent
   * where the VMM cannot.
   *
   * @throws KataError VMM_COMMAND_FAILED; errors of the system. The guest may stand still then.
   */
  save?(to: SaveTo): Promise<void>
  /** Lets a guest go on that {@link save} has stopped. @throws KataError VMM_COMMAND_FAILED. */
  goOn?(): Promise<void>
  /** Ends the process and waits for it; safe to call again. */
  stop(): Promise<void>
}
