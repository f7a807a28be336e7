/**
 * How large a pod's machine is: what the configuration gives it for itself, and what its containers may use. The
 * rules are Kata's (`default_vcpus` and `default_memory` come on top of what the containers' limits add up to).
 */
import { availableParallelism } from 'node:os'
import { cpusOf } from '../../cgroups/cpuset.ts'
import type { PodLimits } from '../../cgroups/pod-limits.ts'
import type { Config } from '../../config/config.ts'
import { KataError } from '../../errors.ts'
import { type ContainerKind, containerKind, isPodSandbox } from '../../oci/annotations.ts'
import { announcedResources } from '../../oci/announced.ts'
import type { OciCpu } from '../../oci/resources.ts'
import type { OciSpec } from '../../oci/spec.ts'
import type { MachineSize } from '../../vmm/vmm.ts'

/** What containers may use at most; a container without limits adds nothing. */
export interface Demand {
  /** Processors, with fractions. */
  readonly vcpus: number
  readonly memoryBytes: number
}

/** A machine at boot, and how far it may grow; 0 means as far as the host goes. */
export interface MachinePlan extends MachineSize {
  readonly maxVcpus: number
  readonly maxMemoryMiB: number
}

const mebibyte = 1024 * 1024
/** A machine's memory is whole huge pages, so that it can be made of them. */
const hugePageMiB = 2
/** Microseconds: the kernel's period where a quota comes without one. */
export const defaultPeriod = 100_000
/** A kubelet writes a request of one processor as that many shares. */
const sharesOfCpu = 1024
const nothing: Demand = { vcpus: 0, memoryBytes: 0 }

/**
 * What a container adds to the machine's need. `resources` are its limits: those of its specification until they
 * change. A value that means "no limit" adds nothing, except the quota of a container with processors of its own.
 *
 * @throws KataError CPUSET_INVALID.
 */
export function demandOfContainer(spec: OciSpec, resources = spec.linux?.resources): Demand {
  const kind = containerKind(spec)
  if (kind === 'sandbox') return nothing
  const { cpu = {}, memory = {}, hugepageLimits = [] } = resources ?? {}
  return {
    vcpus: hasOwnCpus(cpu, kind)
      ? cpusOf(cpu.cpus).length
      : shareOfCpus(amount(cpu.quota), amount(cpu.period)),
    memoryBytes: sum([memory.limit, ...hugepageLimits.map(({ limit }) => limit)].map(amount)),
  }
}

/**
 * Whether a container may use the whole of its cpuset. In a pod the quota has to be lifted in so many words, as a
 * kubelet does since Kubernetes 1.33 for containers with exclusive processors. It gives a cpuset to all the others as
 * well, which is what is left of the node. Without a pod, somebody chose these processors for the container.
 */
const hasOwnCpus = ({ quota = 0 }: OciCpu, kind: ContainerKind): boolean =>
  kind === 'single' ? amount(quota) === 0 : quota < 0

/**
 * What CRI announces at a pod's start for all its containers together. Shares are a weight and not an amount, except
 * where the quota is lifted: the requests of a pod with exclusive processors are its limits, and only shares tell them.
 *
 * @throws KataError OCI_SPEC_INVALID.
 */
export function announcedDemand(spec: OciSpec): Demand {
  const { cpuQuota = 0, cpuPeriod, cpuShares, memoryBytes } = announcedResources(spec)
  const vcpus =
    cpuQuota < 0 ? amount(cpuShares) / sharesOfCpu : shareOfCpus(amount(cpuQuota), amount(cpuPeriod))
  return { vcpus, memoryBytes: amount(memoryBytes) }
}

/**
 * The machine to boot for the sandbox whose first container is `spec`. Static: all that its containers will ever use,
 * and no growth. Otherwise only what is certain counts: the limits of a single container, and nothing of a pod.
 *
 * @throws KataError SANDBOX_TOO_LARGE, OCI_SPEC_INVALID, CPUSET_INVALID.
 */
export function planMachine(
  config: Config,
  spec: OciSpec,
  hostMemoryMiB: number,
  hostCpus = availableParallelism(),
): MachinePlan {
  const isWhole = config.runtime.staticSandboxResourceMgmt && isPodSandbox(spec)
  const demand = isWhole ? announcedDemand(spec) : demandOfContainer(spec)
  return planFor(config, demand, hostMemoryMiB, hostCpus)
}

/** The machine of a sandbox whose first container asks for nothing. @throws KataError SANDBOX_TOO_LARGE. */
export const planWithoutDemand = (config: Config, hostMemoryMiB: number): MachinePlan =>
  planFor(config, nothing, hostMemoryMiB, availableParallelism())

function planFor(config: Config, demand: Demand, hostMemoryMiB: number, hostCpus: number): MachinePlan {
  const { defaultVcpus, defaultMaxVcpus, defaultMaxMemory } = config.hypervisor
  const size = neededSize(config, [demand], hostMemoryMiB)
  // A limit may be any number; those of the machine's own are beside a container that may use all of the host's.
  const vcpus = Math.min(size.vcpus, defaultMaxVcpus || hostCpus + Math.ceil(defaultVcpus))
  const memoryMiB = Math.ceil(size.memoryMiB / hugePageMiB) * hugePageMiB
  return config.runtime.staticSandboxResourceMgmt
    ? { vcpus, memoryMiB, maxVcpus: vcpus, maxMemoryMiB: memoryMiB }
    : { vcpus, memoryMiB, maxVcpus: defaultMaxVcpus, maxMemoryMiB: defaultMaxMemory }
}

/**
 * The machine that these containers need, which together never have more than `limits`. Too few processors slow them down, and the machine gets as many as there can
 * be; too little memory kills them, and is refused.
 *
 * @throws KataError SANDBOX_TOO_LARGE.
 */
export function neededSize(
  { hypervisor }: Pick<Config, 'hypervisor'>,
  demands: Iterable<Demand>,
  hostMemoryMiB: number,
  limits: PodLimits = {},
): MachineSize {
  const { defaultVcpus, defaultMemory, defaultMaxMemory } = hypervisor
  const all = [...demands]
  const together = (name: keyof Demand) =>
    Math.min(sum(all.map((demand) => demand[name])), limits[name] ?? Number.POSITIVE_INFINITY)
  const needed = defaultMemory + Math.ceil(together('memoryBytes') / mebibyte)
  const most = Math.max(defaultMemory, defaultMaxMemory || hostMemoryMiB)
  if (needed > most) throw new KataError('SANDBOX_TOO_LARGE', { needed, own: defaultMemory, most })
  // Fractions of a thousandth (kubelet's unit) or less come from the division and do not count.
  const vcpus = Math.ceil(roundedToMilli(defaultVcpus + together('vcpus')))
  return { vcpus, memoryMiB: needed }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const roundedToMilli = (value: number): number => Math.round(value * 1000) / 1000

const shareOfCpus = (quota: number, period: number): number => quota / (period || defaultPeriod)

/** Absent, negative, and the kernel's largest numbers all mean that there is no limit. */
function amount(value = 0): number {
  return value > 0 && value < Number.MAX_SAFE_INTEGER ? value : 0
}
