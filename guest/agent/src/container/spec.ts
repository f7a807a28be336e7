/**
 * From the protocol's OCI messages to the JSON of the OCI runtime specification (config.md, config-linux.md of
 * opencontainers/runtime-spec 1.x). proto3 has no "absent": a zero or an empty text there means that the member is
 * left out here, except where zero is a value of its own. Pure: tested on the host.
 */

import type { Linux, LinuxResources, Process, Spec } from '../../../../src/protocol/generated/oci.ts'
import { seccompFilterAnnotation } from '../../../../src/protocol/seccomp-filter.ts'
import type { DeviceNode } from '../devices/guest-devices.ts'
import { splitSysctls } from '../system/sysctl-names.ts'

/** A JSON object without the members that are undefined. */
type Json = Record<string, unknown>

export interface SpecContext {
  /** Where crun makes the container's cgroup, from the root of the cgroup file system. */
  readonly cgroupsPath: string
  /** Namespaces to join instead of making new ones, by type. */
  readonly sharedNamespaces: Readonly<Record<string, string>>
  /** Every device of the guest, for a container that may use all. */
  readonly guestDevices: () => readonly DeviceNode[]
  /** Sizes of huge pages that can be limited, `2MB`. There are no others in the guest, so that no limit of those is lost. */
  readonly pageSizes: readonly string[]
}

/**
 * The content of config.json. crun takes orders by annotations (`run.oci.*`): a seccomp filter of their own, a plugin to load, a
 * file of the agent's to write. Whoever may annotate a pod has none of that, so crun sees only what is our host's own word.
 *
 * @throws TypeError when the spec lacks `process` or `root`.
 */
export function specToJson(spec: Spec, context: SpecContext): Json {
  if (spec.process === undefined || spec.root === undefined)
    throw new TypeError('the OCI spec lacks process or root')
  return {
    ociVersion: spec.version || '1.0.2',
    process: processToJson(spec.process),
    root: { path: spec.root.path, readonly: spec.root.readonly },
    hostname: text(spec.hostname),
    mounts: spec.mounts.map(({ destination, source, type, options }) => ({
      destination,
      source: text(source),
      type: text(type),
      options: type === 'devpts' ? withMostTerminals(options) : options,
    })),
    ...withFilter(linuxToJson(spec.linux, context), spec.annotations[seccompFilterAnnotation]),
  }
}

/**
 * The kernel gives the containers of a machine 3072 terminals (kernel.pty.max without kernel.pty.reserve), whoever comes first. With all of them
 * one would leave its neighbours none, and nobody could run a command with a terminal there.
 */
const mostTerminals = 1536

function withMostTerminals(options: readonly string[]): readonly string[] {
  return options.some((option) => option.startsWith('max=')) ? options : [...options, `max=${mostTerminals}`]
}

/** crun applies a filter that is compiled already in place of the profile's rules. */
function withFilter(linux: Json, filter: string | undefined): Json {
  const seccomp = linux.seccomp as ReturnType<typeof seccompToJson> | undefined
  if (seccomp === undefined || filter === undefined) return { linux }
  const { syscalls: _rules, ...rest } = seccomp
  return { annotations: { 'run.oci.seccomp_bpf_data': filter }, linux: { ...linux, seccomp: rest } }
}

/** The content of `crun exec --process`, and the `process` of config.json. */
export function processToJson(process: Process): Json {
  const { terminal, consoleSize, user, args, env, cwd, capabilities, rlimits, noNewPrivileges } = process
  return {
    terminal,
    consoleSize: terminal && consoleSize?.height ? consoleSize : undefined,
    user: {
      uid: user?.uid ?? 0,
      gid: user?.gid ?? 0,
      additionalGids: user?.additionalGids ?? [],
      umask: user?.umask,
    },
    args,
    env,
    cwd: cwd || '/',
    capabilities,
    rlimits,
    noNewPrivileges,
    // Zero is a value: without it the container would inherit the agent's.
    oomScoreAdj: process.oomScoreAdj,
    apparmorProfile: text(process.apparmorProfile),
    selinuxLabel: text(process.selinuxLabel),
  }
}

function linuxToJson(linux: Linux | undefined, context: SpecContext): Json {
  const { cgroupsPath, sharedNamespaces } = context
  const namespaces = (linux?.namespaces ?? []).map(({ type, path }) => ({
    type,
    path: text(path) ?? sharedNamespaces[type],
  }))
  // Kata's host side drops these. A container has no business in its neighbours' cgroups, nor in the agent's processes.
  for (const type of ['cgroup', 'pid'])
    if (!namespaces.some((namespace) => namespace.type === type))
      namespaces.push({ type, path: sharedNamespaces[type] })
  for (const [type, path] of Object.entries(sharedNamespaces))
    if (!namespaces.some((namespace) => namespace.type === type)) namespaces.push({ type, path })
  return {
    namespaces,
    cgroupsPath,
    uidMappings: linux?.uidMappings.map(idMapping),
    gidMappings: linux?.gidMappings.map(idMapping),
    sysctl: linux && splitSysctls(linux.sysctl).container,
    resources: linux?.resources && resourcesToJson(linux.resources, context),
    devices: linux && devicesToJson(linux, context),
    seccomp: linux?.seccomp && seccompToJson(linux.seccomp),
    rootfsPropagation: text(linux?.rootfsPropagation),
    maskedPaths: linux?.maskedPaths,
    readonlyPaths: linux?.readonlyPaths,
    mountLabel: text(linux?.mountLabel),
  }
}

/** A container that may use every device is a privileged one: it gets every node that the guest has. */
function devicesToJson({ devices, resources }: Linux, { guestDevices }: SpecContext): Json[] {
  const asked = devices.map(({ path, type, major, minor, fileMode, uid, gid }) => ({
    path,
    type,
    major,
    minor,
    fileMode: number(fileMode),
    uid,
    gid,
  }))
  if (!allowsEveryDevice(resources)) return asked
  const taken = new Set(asked.map(({ path }) => path))
  return [...asked, ...guestDevices().filter(({ path }) => !taken.has(path))].map((node) => ({ ...node }))
}

function allowsEveryDevice(resources: LinuxResources | undefined): boolean {
  return (resources?.devices ?? []).some(
    ({ allow, type, major, access }) =>
      allow && (type === '' || type === 'a') && major <= 0n && access === 'rwm',
  )
}

function idMapping(mapping: { hostId: number; containerId: number; size: number }): Json {
  return { hostID: mapping.hostId, containerID: mapping.containerId, size: mapping.size }
}

/** `linux.resources`, also the content of `crun update --resources`. */
export function resourcesToJson(
  { devices, memory, cpu, pids, blockIo, unified, hugepageLimits }: LinuxResources,
  { pageSizes }: Pick<SpecContext, 'pageSizes'>,
): Json {
  return {
    devices:
      devices.length === 0
        ? undefined
        : devices.map(({ allow, type, major, minor, access }) => ({
            allow,
            type: text(type),
            ...deviceNumbers(type, major, minor),
            access: text(access),
          })),
    // Kernel, TCP and swappiness limits do not exist in cgroup v2, nor do those of real time. Swap zero is "not given": with a value, it is
    // the sum of memory and swap, which crun translates.
    memory: memory && {
      limit: number(memory.limit),
      reservation: number(memory.reservation),
      swap: number(memory.swap),
    },
    cpu: cpu && {
      shares: number(cpu.shares),
      quota: number(cpu.quota),
      period: number(cpu.period),
      cpus: text(cpu.cpus),
      mems: text(cpu.mems),
    },
    pids: pids && number(pids.limit) && { limit: pids.limit },
    blockIO: blockIo && {
      weight: number(blockIo.weight),
      throttleReadBpsDevice: blockIo.throttleReadBpsDevice,
      throttleWriteBpsDevice: blockIo.throttleWriteBpsDevice,
      throttleReadIOPSDevice: blockIo.throttleReadIopsDevice,
      throttleWriteIOPSDevice: blockIo.throttleWriteIopsDevice,
    },
    hugepageLimits: hugePagesToJson(hugepageLimits, pageSizes),
    unified: Object.keys(unified).length === 0 ? undefined : unified,
  }
}

function hugePagesToJson(limits: LinuxResources['hugepageLimits'], pageSizes: readonly string[]) {
  const known = limits.filter(({ pagesize }) => pageSizes.includes(pagesize))
  return known.length === 0 ? undefined : known.map(({ pagesize: pageSize, limit }) => ({ pageSize, limit }))
}

function seccompToJson(seccomp: NonNullable<Linux['seccomp']>): Json {
  return {
    defaultAction: seccomp.defaultAction,
    defaultErrnoRet: number(seccomp.defaultErrnoRet),
    architectures: seccomp.architectures,
    flags: seccomp.flags,
    syscalls: seccomp.syscalls.map(({ names, action, errnoRet, args }) => ({
      names,
      action,
      errnoRet: number(errnoRet),
      args,
    })),
  }
}

/**
 * The specification writes "any" by leaving the number out, Kata's messages by -1. Zero cannot be told from "left out"
 * in them; no device has major zero, so it means "any" and takes the minor with it.
 */
function deviceNumbers(type: string, major: bigint, minor: bigint): Json {
  if (type === '' || type === 'a' || major <= 0n) return {}
  return { major, minor: minor < 0n ? undefined : minor }
}

function text(value: string | undefined): string | undefined {
  return value === '' ? undefined : value
}

function number<T extends number | bigint>(value: T): T | undefined {
  return value === 0 || value === 0n ? undefined : value
}
