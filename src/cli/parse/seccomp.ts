/**
 * `--security-opt seccomp=FILE`: a profile as docker, podman and Kubernetes have it in files (rules that hold for some
 * machines or capabilities only), or as the OCI specification has it.
 */
import { describeError, KataError } from '../../errors.ts'
import { list, needed, record } from '../../json/compounds.ts'
import { readFile } from '../../json/document.ts'
import { text, uint32 } from '../../json/values.ts'
import { defaultCapabilities } from '../../oci/defaults/capabilities.ts'
import type { SeccompProfile } from '../../oci/defaults/default-seccomp.ts'
import { type OciSyscallArg, readSyscallArg } from '../../oci/seccomp.ts'

const maxBytes = 1 << 20
const actions = /^SCMP_ACT_(ALLOW|ERRNO|KILL|KILL_PROCESS|KILL_THREAD|LOG|TRAP|TRACE)$/

interface Conditions {
  readonly caps?: readonly string[]
  readonly arches?: readonly string[]
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
}

const texts = list(text)
const conditions = record<Conditions>({ caps: texts, arches: texts })
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
      args: list(readSyscallArg),
      includes: conditions,
      excludes: conditions,
    }),
  ),
})

const machine = process.arch === 'arm64' ? 'arm64' : 'amd64'
const architecture = process.arch === 'arm64' ? 'SCMP_ARCH_AARCH64' : 'SCMP_ARCH_X86_64'

/** `added` are the capabilities that the container has beyond the usual ones. @throws KataError SECCOMP_PROFILE. */
export function readSeccompProfile(path: string, added: readonly string[]): SeccompProfile {
  try {
    return resolveProfile(readFile(fileProfile, path, { maxBytes }), [...defaultCapabilities, ...added])
  } catch (cause) {
    throw new KataError('SECCOMP_PROFILE', { path, reason: describeError(cause) }, { cause })
  }
}

/** The rules that hold here, in OCI's form. Pure. */
export function resolveProfile(profile: FileProfile, capabilities: readonly string[]): SeccompProfile {
  const { defaultAction, defaultErrnoRet, architectures, archMap, syscalls = [] } = profile
  const mapped = archMap?.find((entry) => entry.architecture === architecture)
  for (const action of [defaultAction, ...syscalls.map((rule) => rule.action)])
    if (!actions.test(action)) throw new Error(`${action} is not an action that works in a guest`)
  return {
    defaultAction,
    ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }),
    architectures: architectures ?? [architecture, ...(mapped?.subArchitectures ?? [])],
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

function holds({ caps = [], arches = [] }: Conditions = {}, capabilities: readonly string[]): boolean {
  const all = capabilities.includes('ALL')
  return (
    caps.every((name) => all || capabilities.includes(name)) &&
    (arches.length === 0 || arches.includes(machine))
  )
}

function excluded({ caps = [], arches = [] }: Conditions = {}, capabilities: readonly string[]): boolean {
  const all = capabilities.includes('ALL')
  return caps.some((name) => all || capabilities.includes(name)) || arches.includes(machine)
}
