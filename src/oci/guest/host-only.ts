/**
 * Parts of a spec that only make sense to the host: labels of its security modules, its processors by number, limits of
 * its disks by number. The guest has other processors and disks and no such modules; to its OCI runtime they would
 * be errors.
 */
import type { OciResources } from '../resources.ts'
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
