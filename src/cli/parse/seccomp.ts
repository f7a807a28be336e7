/**
 * `--security-opt seccomp=FILE`: a profile as docker, podman and Kubernetes have it in files (rules that hold for some
 * machines or capabilities only), or as the OCI specification has it.
 */
import { describeError, KataError } from '../../errors.ts'
import { list, needed, record } from '../../json/compounds.ts'
import { readFile } from '../../json/document.ts'
import { text, uint32 } from '../../json/values.ts'
import type { SeccompProfile } from '../../oci/defaults/default-seccomp.ts'
import { type OciSyscallArg, syscallArgReader } from '../../oci/seccomp.ts'

const maxBytes = 1 << 20
const actions = /^SCMP_ACT_(ALLOW|ERRNO|KILL|KILL_PROCESS|KILL_THREAD|LOG|TRAP|TRACE)$/

interface Conditions {
  readonly caps?: readonly string[]
  readonly arches?: readonly string[]
  /** `4.8`. */
  readonly minKernel?: string
}

interface FileRule {
  readonly names: readonly string[]
  readonly action: string
  readonly errnoRet?: number
  readonly args?: readonly OciSyscallArg[]
  readonly includes?: Conditions
  readonly excludes?: Conditions
}

interface ArchMapping {
  readonly architecture: string
  readonly subArchitectures?: readonly string[]
}

interface FileProfile {
  readonly defaultAction: string
  readonly defaultErrnoRet?: number
  readonly architectures?: readonly string[]
  readonly archMap?: readonly ArchMapping[]
  readonly syscalls?: readonly FileRule[]
  readonly flags?: readonly string[]
  readonly listenerPath?: string
}

const texts = list(text)
const conditions = record<Conditions>({ caps: texts, arches: texts, minKernel: text })
const fileProfile = record<FileProfile>({
  defaultAction: needed(text),
  defaultErrnoRet: uint32,
  architectures: texts,
  archMap: list(record<ArchMapping>({ architecture: needed(text), subArchitectures: texts })),
  syscalls: list(
    record<FileRule>({
      names: needed(texts),
      action: needed(text),
      errnoRet: uint32,
      args: list(syscallArgReader()),
      includes: conditions,
      excludes: conditions,
    }),
  ),
  flags: texts,
  listenerPath: text,
})

/** The oldest kernel of a guest that anything here is shown with. */
const leastKernel = [5, 10] as const

const machine = process.arch === 'arm64' ? 'arm64' : 'amd64'
const architecture = process.arch === 'arm64' ? 'SCMP_ARCH_AARCH64' : 'SCMP_ARCH_X86_64'

/** `capabilities` are all that the container may ever have. @throws KataError SECCOMP_PROFILE. */
export function readSeccompProfile(path: string, capabilities: readonly string[]): SeccompProfile {
  try {
    return resolveProfile(readFile(fileProfile, path, { maxBytes }), capabilities)
  } catch (cause) {
    throw new KataError('SECCOMP_PROFILE', { path, reason: describeError(cause) }, { cause })
  }
}

/** The rules that hold here, in OCI's form. Pure. */
export function resolveProfile(profile: FileProfile, capabilities: readonly string[]): SeccompProfile {
  const { defaultAction, defaultErrnoRet, architectures = [], archMap, syscalls = [] } = profile
  const { flags = [], listenerPath = '' } = profile
  if (listenerPath !== '') throw new Error('listenerPath names a program of the host, which no guest can ask')
  if (flags.length > 0) throw new Error(`flags (${flags.join(', ')}) are not set in a guest`)
  const mapped = archMap?.find((entry) => entry.architecture === architecture)
  for (const action of [defaultAction, ...syscalls.map((rule) => rule.action)])
    if (!actions.test(action)) throw new Error(`${action} is not an action that works in a guest`)
  return {
    defaultAction,
    ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }),
    architectures:
      architectures.length > 0 ? architectures : [architecture, ...(mapped?.subArchitectures ?? [])],
    syscalls: syscalls
      .filter(({ includes, excludes }) => holds(includes, capabilities) && !excluded(excludes, capabilities))
      .map(({ names, action, errnoRet, args }) => ({
        names,
        action,
        ...(errnoRet === undefined ? {} : { errnoRet }),
        ...(args ? { args } : {}),
      })),
  }
}

function holds(
  { caps = [], arches = [], minKernel }: Conditions = {},
  capabilities: readonly string[],
): boolean {
  return (
    caps.every((name) => capabilities.includes(name)) &&
    (arches.length === 0 || arches.includes(machine)) &&
    (minKernel === undefined || isReached(minKernel))
  )
}

function excluded(
  { caps = [], arches = [], minKernel }: Conditions = {},
  capabilities: readonly string[],
): boolean {
  return (
    caps.some((name) => capabilities.includes(name)) ||
    arches.includes(machine) ||
    (minKernel !== undefined && isReached(minKernel))
  )
}

/** Whether every kernel of a guest is as new as that. @throws Error where only some are. */
function isReached(kernel: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)$/.exec(kernel) ?? []
  if (major === undefined) throw new Error(`minKernel ${kernel} is no version such as 4.8`)
  const [leastMajor, leastMinor] = leastKernel
  if (Number(major) < leastMajor || (Number(major) === leastMajor && Number(minor) <= leastMinor)) return true
  throw new Error(`minKernel ${kernel} is newer than ${leastKernel.join('.')}, which a guest has at least`)
}
