/** The description of a jailed process: one program, its identity, and what it can see. Plain data, built from typed values. */
import type { LandlockMode } from '../../config/config.ts'
import type { Capability } from '../../linux/processes/capabilities.ts'
import type { ProcessRef } from '../../linux/processes/proc.ts'
import type { LandlockState } from '../filters/landlock.ts'
import type { SyscallName } from '../filters/syscall-numbers.ts'

/** The identity of a confined process on the host. */
export interface Identity {
  /** `kata-<n>`, or `root` when rootless is off. */
  readonly name: string
  readonly uid: number
  readonly gid: number
  /** Supplementary groups: the group of /dev/kvm or none. Never 0. */
  readonly groups: readonly number[]
}

/** One path of the host made visible in the jail's root. */
export interface JailPath {
  /** Absolute, on the host. */
  readonly source: string
  /** Absolute, inside the jail. */
  readonly target: string
  readonly access: 'read' | 'read-write' | 'execute'
}

/** Directories of the host, shown as one that can only be read. */
export interface JailTree {
  /** Absolute, inside the jail, in a directory that has nothing else. */
  readonly target: string
  /** Absolute, topmost first: layers of an overlay, but for a single one of a local file system. What is mounted below one of them is not shown. */
  readonly layers: readonly string[]
}

/** The system calls of a confined process; any other is not there (syscall-filter.ts). */
export interface SyscallPolicy {
  readonly allowed: readonly SyscallName[]
  /** Whether it may make processes by clone(2), and not threads alone. */
  readonly processes?: true
  /** Whether it may have sockets of the internet families besides unix ones. */
  readonly inet?: true
}

export interface LaunchSpec {
  /** Absolute path of the program, the same outside and inside the jail. */
  readonly program: string
  readonly args: readonly string[]
  readonly identity: Identity
  readonly syscalls: SyscallPolicy
  /** Paths that the process may see besides its program and the system's libraries. */
  readonly paths: readonly JailPath[]
  readonly tree?: JailTree
  /** Directories for device nodes, empty at first. The runtime makes the nodes; only this jail sees them. */
  readonly nodeDirs?: readonly string[]
  /** Descriptors handed over: the first becomes 3, the next 4, and so on. */
  readonly fds: readonly number[]
  /** Descriptor for stdin; absent: /dev/null. */
  readonly stdin?: number
  /** Descriptor for stdout and stderr. */
  readonly output: number
  /** Descriptor for stdout alone, when that is to be another one. */
  readonly stdout?: number
  /** How much memory it may lock (RLIMIT_MEMLOCK); absent: as the runtime itself. */
  readonly lockedMemoryMiB?: number | undefined
  /** How much address space it may have (RLIMIT_AS); absent: as the runtime itself. */
  readonly addressSpaceMiB?: number
  /** How large a file may become that it writes (RLIMIT_FSIZE); absent: as the runtime itself. */
  readonly fileSizeMiB?: number | undefined
  /** Whether it does without transparent huge pages: of one that holds little, 2 MiB are taken all the same. Absent: as the host has it. */
  readonly smallPages?: boolean
  /** Whether it may start on a kernel without Landlock; absent: it may not. */
  readonly landlock?: LandlockMode
  /** The capabilities that it has, in all of its sets; absent: none. */
  readonly capabilities?: readonly Capability[]
  /** Where the jail keeps its root skeleton: a root-owned directory of this sandbox. */
  readonly stateDir: string
}

export interface ExitInfo {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** How it ended, in words. */
export const exitWords = ({ code, signal }: ExitInfo): string => signal ?? `exit code ${code}`

export interface LaunchedProcess {
  readonly ref: ProcessRef
  readonly exited: Promise<ExitInfo>
  /** Absent for a process that another program confined. */
  readonly landlock?: LandlockState
}

/** One in our own jail. */
export interface JailedProcess extends LaunchedProcess {
  /** The process that started it and waits for it (waiter.ts). */
  readonly waiter: ProcessRef
}
