/** The parts of the OCI runtime specification (config.md, config-linux.md) that the sandbox itself reads or changes. */

export interface OciMount {
  readonly destination: string
  readonly type?: string
  readonly source?: string
  readonly options?: readonly string[]
}

export interface OciNamespace {
  readonly type: string
  readonly path?: string
}

/** `type` is b, c, u or p; without a number it is a FIFO. */
export interface OciDevice {
  readonly path: string
  readonly type: string
  readonly major?: number
  readonly minor?: number
  readonly [key: string]: unknown
}

export interface OciLinux {
  readonly namespaces?: readonly OciNamespace[]
  readonly resources?: Readonly<Record<string, unknown>>
  readonly seccomp?: unknown
  readonly devices?: readonly OciDevice[]
  readonly cgroupsPath?: string
  readonly [key: string]: unknown
}

export interface OciSpec {
  readonly ociVersion?: string
  readonly root?: { readonly path?: string; readonly readonly?: boolean }
  readonly process?: Readonly<Record<string, unknown>>
  readonly hostname?: string
  readonly mounts?: readonly OciMount[]
  readonly hooks?: unknown
  readonly linux?: OciLinux
  readonly annotations?: Readonly<Record<string, string>>
  readonly [key: string]: unknown
}
