/**
 * What a container asks for and the guest's agent may be unable to give. Kata's runtime logs that and goes on; here the
 * container is refused.
 */
import { type AgentFacts, describeAgent } from '../../agent/agent-facts.ts'
import type { AgentClient } from '../../agent/client.ts'
import { KataError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { verityEnabled } from '../../protocol/storage-drivers.ts'

const notify = 'SCMP_ACT_NOTIFY'

/**
 * A call that nobody is there to answer would fail with ENOSYS.
 *
 * @throws KataError AGENT_NO_SECCOMP, SECCOMP_NOTIFY, before anything of the container is made.
 */
export function requireSeccomp(
  { linux }: OciSpec,
  container: string,
  agent: AgentFacts,
  disableGuestSeccomp: boolean,
): void {
  const profile = linux?.seccomp
  if (profile === undefined || disableGuestSeccomp) return
  if (!agent.seccomp) throw new KataError('AGENT_NO_SECCOMP', { container, agent: describeAgent(agent) })
  const actions = [profile.defaultAction, ...(profile.syscalls ?? []).map(({ action }) => action)]
  if (actions.includes(notify)) throw new KataError('SECCOMP_NOTIFY', { container })
}

/**
 * A part (`subPath`) of a volume in memory is our own kind of storage. Kata's agent would take it for a new, empty directory.
 *
 * @throws KataError AGENT_NO_SUBPATH.
 */
export function requireSubpaths(
  storages: readonly { readonly driver: string; readonly options?: readonly string[] }[],
  container: string,
  agent: AgentFacts,
): void {
  const isPart = ({ driver, options = [] }: (typeof storages)[number]) =>
    driver === 'local' && options.some((option) => option.startsWith('subpath='))
  if (agent.name !== 'kata-ts' && storages.some(isPart))
    throw new KataError('AGENT_NO_SUBPATH', { container, agent: describeAgent(agent) })
}

/**
 * Kata's agent has words of its own for layers that are to be verified, which were not tried. One that skips ours would read them unverified.
 *
 * @throws KataError ROOTFS_LAYERS.
 */
export function requireVerifier(
  storages: readonly { readonly options?: readonly string[] }[],
  container: string,
  agent: AgentFacts,
): void {
  if (agent.name === 'kata-ts' || !storages.some(({ options }) => options?.includes(verityEnabled))) return
  const reason = `they are to be verified by dm-verity, and ${describeAgent(agent)} in the guest was not tried with it`
  throw new KataError('ROOTFS_LAYERS', { container, reason })
}

/** Kata's agent would give the container processes of its own. @throws KataError AGENT_NO_TARGET. */
export function requireTarget(target: string, container: string, agent: AgentFacts): void {
  if (agent.name !== 'kata-ts' && target !== '')
    throw new KataError('AGENT_NO_TARGET', { container, target, agent: describeAgent(agent) })
}

/** Names what our messages carry in fields of our own, when the agent is one that does not know them and would leave it out. */
export function warnOfOwnFields(
  { process, linux = {} }: OciSpec,
  container: string,
  agent: AgentFacts,
  log: Logger,
): void {
  const { cpu, unified = {} } = linux.resources ?? {}
  const asked = {
    'process.user.umask': process?.user?.umask !== undefined,
    'linux.resources.cpu.idle': cpu?.idle !== undefined,
    'linux.resources.cpu.burst': cpu?.burst !== undefined,
    'linux.resources.unified': Object.keys(unified).length > 0,
    'linux.seccomp.defaultErrnoRet': linux.seccomp?.defaultErrnoRet !== undefined,
  }
  const fields = Object.entries(asked).flatMap(([field, is]) => (is ? [field] : []))
  if (agent.name !== 'kata-ts' && fields.length > 0)
    log.warn('the agent in the guest does not know these fields of a specification', {
      container,
      agent: describeAgent(agent),
      fields,
    })
}

/**
 * Reads back whether the container has the limit of processes that was asked for: Kata's agent 4.1 takes one and sets
 * none. Call it before anything runs in the container.
 *
 * @throws KataError AGENT_NO_PIDS_LIMIT.
 */
export async function requirePidsLimit(
  limit: bigint | undefined,
  container: string,
  facts: AgentFacts,
  agent: Pick<AgentClient, 'statsContainer'>,
): Promise<void> {
  if (facts.name === 'kata-ts' || limit === undefined || limit <= 0n) return
  const { cgroupStats } = await agent.statsContainer({ containerId: container })
  if (cgroupStats?.pidsStats?.limit !== limit)
    throw new KataError('AGENT_NO_PIDS_LIMIT', {
      container,
      limit: String(limit),
      agent: describeAgent(facts),
    })
}
