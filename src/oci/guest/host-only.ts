/**
 * Parts of a spec that only make sense to the host: labels of its security modules, its processors by number, limits of
 * its disks by number. The guest has other processors and disks and no such modules; to its OCI runtime they would
 * be errors.
 */
import type { OciBlockIO, OciNetwork, OciResources } from '../resources.ts'
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

/** OCI `linux.resources` without processors, memory nodes and disks of the host. */
export function withoutHostNumbers(resources: OciResources): OciResources {
  const { blockIO: _disks, cpu, ...kept } = resources
  if (cpu === undefined) return kept
  const { cpus: _cpus, mems: _mems, ...shares } = cpu
  return { ...kept, cpu: shares }
}

/**
 * Names of wishes among them that nothing on the host takes care of, so that nobody relies on them. Pure. Labels are no wish: clients add
 * theirs to every container.
 */
export function unmetWishes({ linux = {} }: Pick<OciSpec, 'linux'>): string[] {
  const { intelRdt, resources = {} } = linux
  return [...(intelRdt?.l3CacheSchema ? ['linux.intelRdt.l3CacheSchema'] : []), ...unmetLimits(resources)]
}

/** The same for `linux.resources` alone. Pure. */
export function unmetLimits({ blockIO, network, memory = {}, cpu = {} }: OciResources): string[] {
  // Guests have cgroup v2.
  const { kernel = 0, kernelTCP = 0, swappiness, disableOOMKiller = false } = memory
  const ofVersion1 = {
    'memory.kernel': kernel > 0,
    'memory.kernelTCP': kernelTCP > 0,
    'memory.swappiness': swappiness !== undefined,
    'memory.disableOOMKiller': disableOOMKiller,
    'cpu.realtimeRuntime': (cpu.realtimeRuntime ?? 0) > 0,
    'cpu.realtimePeriod': (cpu.realtimePeriod ?? 0) > 0,
  }
  return [
    ...(asks(blockIO) ? ['linux.resources.blockIO'] : []),
    ...(asks(network) ? ['linux.resources.network'] : []),
    ...Object.entries(ofVersion1).flatMap(([name, is]) => (is ? [`linux.resources.${name}`] : [])),
  ]
}

/** Clients send empty ones. */
function asks(limits: OciBlockIO | OciNetwork = {}): boolean {
  return Object.values<unknown>({ ...limits }).some((value) =>
    Array.isArray(value) ? value.length > 0 : value,
  )
}
