/**
 * Parts of a spec that only make sense to the host: labels of its security modules, its processors by number, limits of
 * its disks by number. The guest has other processors and disks and no such modules; to its OCI runtime they would
 * be errors.
 */
import { containerKind } from '../annotations.ts'
import type { OciBlockIO, OciMemory, OciNetwork, OciResources } from '../resources.ts'
import type { OciProcess, OciSpec } from '../spec.ts'

/** The spec without them, as Kata passes it on. Pure. */
export function withoutHostOnly(spec: OciSpec): OciSpec {
  const { process, linux = {} } = spec
  const { mountLabel: _label, intelRdt: _cache, resources, ...kept } = linux
  return {
    ...spec,
    ...(process === undefined ? {} : { process: withoutLabels(process) }),
    linux: { ...kept, ...(resources === undefined ? {} : { resources: withoutHostNumbers(resources) }) },
  }
}

/** An OCI process without the labels of AppArmor and SELinux. */
export function withoutLabels(process: OciProcess): OciProcess {
  const { apparmorProfile: _profile, selinuxLabel: _label, ...kept } = process
  return kept
}

/** Files of cgroup v2 about these, by which `unified` asks for the same. */
const hostFile = /^(cpuset|io|rdma)\./

/** OCI `linux.resources` without processors, memory nodes and disks of the host. */
export function withoutHostNumbers(resources: OciResources): OciResources {
  const { blockIO: _disks, cpu, unified, ...others } = resources
  const files = Object.entries(unified ?? {}).filter(([name]) => !hostFile.test(name))
  const kept = { ...others, ...(unified !== undefined && { unified: Object.fromEntries(files) }) }
  if (cpu === undefined) return kept
  const { cpus: _cpus, mems: _mems, ...shares } = cpu
  return { ...kept, cpu: shares }
}

/** What clients give to every container where the host has AppArmor: containerd, Docker, nerdctl, CRI-O and Podman. */
const usualProfile =
  /^(|unconfined|cri-containerd\.apparmor\.d|docker-default|nerdctl-default|crio-default|containers-default-.*)$/

/** Namespaces that no container shares with another one, or that the machine has for all. */
const alwaysNew: ReadonlySet<string> = new Set(['mount', 'cgroup', 'time'])

/**
 * Names of wishes among them that nothing on the host takes care of, so that nobody relies on them. Pure. Labels of SELinux, and profiles of
 * AppArmor that a client adds to every container, are no wish.
 */
export function unmetWishes(spec: Pick<OciSpec, 'annotations' | 'process' | 'linux'>): string[] {
  const { process = {}, linux = {} } = spec
  const { intelRdt, resources = {} } = linux
  return [
    ...unmetProfile(process),
    ...(['ipc', 'uts'] as const).flatMap((type) => unmetNamespace(spec, type)),
    ...(linux.namespaces ?? []).flatMap(({ type, path }) =>
      path && alwaysNew.has(type) ? [`linux.namespaces: ${type} of ${path}`] : [],
    ),
    ...(intelRdt?.l3CacheSchema ? ['linux.intelRdt.l3CacheSchema'] : []),
    ...unmetLimits(resources),
  ]
}

/** The same for the profile of a process. Pure. `containers`: that of its container, which was told of when that was made. */
export function unmetProfile({ apparmorProfile = '' }: OciProcess, containers?: string): string[] {
  const isWish = apparmorProfile !== containers && !usualProfile.test(apparmorProfile)
  return isWish ? ['process.apparmorProfile'] : []
}

/**
 * The host's own, which a client asks for by leaving it out (`hostIPC`, docker's `--uts host`), and another container's, unless it is the pod's: the
 * machine has one for all its containers.
 */
function unmetNamespace(spec: Pick<OciSpec, 'annotations' | 'linux'>, type: string): string[] {
  const { namespaces } = spec.linux ?? {}
  if (namespaces === undefined) return []
  const asked = namespaces.find((namespace) => namespace.type === type)
  if (asked === undefined) return [`linux.namespaces: ${type} of the host`]
  const isOthers = containerKind(spec) === 'single' && Boolean(asked.path)
  return isOthers ? [`linux.namespaces: ${type} of ${asked.path}`] : []
}

/**
 * The same for `linux.resources` alone. Pure. The guest has version 2 of cgroups, which knows no such limits of memory and time. It has no
 * swap, and huge pages only where a sysctl or its command line asks for them.
 */
export function unmetLimits({ memory = {}, cpu = {}, ...others }: OciResources): string[] {
  const { kernel = 0, kernelTCP = 0, swappiness = -1, disableOOMKiller = false } = memory
  const { realtimeRuntime = 0, realtimePeriod = 0 } = cpu
  const asked = {
    'memory.swap': asksForSwap(memory),
    'memory.kernel': kernel > 0,
    'memory.kernelTCP': kernelTCP > 0,
    // dockerd sends its -1 as the largest number.
    'memory.swappiness': swappiness >= 0 && swappiness <= 100,
    'memory.disableOOMKiller': disableOOMKiller,
    'cpu.realtimeRuntime': realtimeRuntime > 0,
    'cpu.realtimePeriod': realtimePeriod > 0,
    blockIO: asks(others.blockIO),
    network: asks(others.network),
  }
  // Kubelet names each size of the host's pages, most with zero.
  const pages = (others.hugepageLimits ?? []).filter(({ limit }) => limit > 0)
  const files = Object.entries(others.unified ?? {}).filter(
    ([name, value]) => hostFile.test(name) || (name === 'memory.swap.max' && !/^(0|max)$/.test(value.trim())),
  )
  return [
    ...Object.entries(asked).flatMap(([name, is]) => (is ? [name] : [])),
    ...pages.map(({ pageSize }) => `hugepageLimits["${pageSize}"]`),
    ...files.map(([name]) => `unified["${name}"]`),
  ].map((name) => `linux.resources.${name}`)
}

/**
 * The limit is that of memory and swap together: containerd sends the limit of memory, which means no swap, and Docker, nerdctl and Podman send
 * twice the limit of memory, unless they are asked for another one.
 */
const asksForSwap = ({ limit = 0, swap = 0 }: OciMemory): boolean =>
  limit > 0 && swap > limit && swap !== 2 * limit

/** Clients send empty ones. */
function asks(limits: OciBlockIO | OciNetwork = {}): boolean {
  return Object.values<unknown>({ ...limits }).some((value) =>
    Array.isArray(value) ? value.length > 0 : value,
  )
}
