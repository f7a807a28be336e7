/**
 * The OCI runtime specification 1.2 (config.md, config-linux.md), under its own names: the fields that kata-ts reads, changes
 * or carries to the guest. These are the fields for which Kata's agent protocol has a place; read-spec.ts says what becomes of
 * others. A value of these types that came from outside was read by read-spec.ts, and is frozen with all that is in it.
 */
import type { OciResources } from './resources.ts'
import type { OciSeccomp } from './seccomp.ts'

export interface OciSpec {
  readonly ociVersion?: string
  readonly root?: OciRoot
  readonly process?: OciProcess
  readonly hostname?: string
  /** The domain of NIS. */
  readonly domainname?: string
  readonly mounts?: readonly OciMount[]
  readonly hooks?: OciHooks
  readonly annotations?: Readonly<Record<string, string>>
  readonly linux?: OciLinux
}

export interface OciRoot {
  /** Absolute, or relative to the bundle. */
  readonly path: string
  readonly readonly?: boolean
}

export interface OciMount {
  /** Absolute, in the container. */
  readonly destination: string
  readonly type?: string
  readonly source?: string
  readonly options?: readonly string[]
  readonly uidMappings?: readonly OciIdMapping[]
  readonly gidMappings?: readonly OciIdMapping[]
}

export interface OciProcess {
  readonly terminal?: boolean
  readonly consoleSize?: OciConsoleSize
  readonly user?: OciUser
  readonly args?: readonly string[]
  /** `NAME=value`. */
  readonly env?: readonly string[]
  readonly cwd?: string
  readonly capabilities?: OciCapabilities
  readonly rlimits?: readonly OciRlimit[]
  readonly noNewPrivileges?: boolean
  readonly apparmorProfile?: string
  readonly oomScoreAdj?: number
  readonly selinuxLabel?: string
}

/** Characters. */
export interface OciConsoleSize {
  readonly height: number
  readonly width: number
}

/** Without a number: 0. */
export interface OciUser {
  readonly uid?: number
  readonly gid?: number
  readonly additionalGids?: readonly number[]
  /** On Windows only, says the specification; the protocol has it. */
  readonly username?: string
  readonly umask?: number
}

/** Names such as CAP_CHOWN. */
export interface OciCapabilities {
  readonly bounding?: readonly string[]
  readonly effective?: readonly string[]
  readonly inheritable?: readonly string[]
  readonly permitted?: readonly string[]
  readonly ambient?: readonly string[]
}

export interface OciRlimit {
  /** Such as RLIMIT_NOFILE. */
  readonly type: string
  readonly soft: number
  readonly hard: number
}

/** Programs of the host by the moment at which they are to run. */
export interface OciHooks {
  readonly prestart?: readonly OciHook[]
  readonly createRuntime?: readonly OciHook[]
  readonly createContainer?: readonly OciHook[]
  readonly startContainer?: readonly OciHook[]
  readonly poststart?: readonly OciHook[]
  readonly poststop?: readonly OciHook[]
}

export interface OciHook {
  /** Absolute. */
  readonly path: string
  /** With the name of the program first. */
  readonly args?: readonly string[]
  readonly env?: readonly string[]
  /** Seconds. */
  readonly timeout?: number
}

export interface OciLinux {
  readonly uidMappings?: readonly OciIdMapping[]
  readonly gidMappings?: readonly OciIdMapping[]
  readonly sysctl?: Readonly<Record<string, string>>
  readonly resources?: OciResources
  readonly cgroupsPath?: string
  readonly namespaces?: readonly OciNamespace[]
  readonly devices?: readonly OciDevice[]
  readonly seccomp?: OciSeccomp
  readonly rootfsPropagation?: string
  readonly maskedPaths?: readonly string[]
  readonly readonlyPaths?: readonly string[]
  readonly mountLabel?: string
  readonly intelRdt?: { readonly l3CacheSchema?: string }
}

export interface OciIdMapping {
  readonly containerID: number
  readonly hostID: number
  readonly size: number
}

export interface OciNamespace {
  /** pid, network, mount, ipc, uts, user, cgroup or time. */
  readonly type: string
  /** The path of an existing namespace; absent: a new one. */
  readonly path?: string
}

/** `type` is b, c, u or p; without a number it is a FIFO. */
export interface OciDevice {
  readonly path: string
  readonly type: string
  readonly major?: number
  readonly minor?: number
  readonly fileMode?: number
  readonly uid?: number
  readonly gid?: number
}
