/** The container that a machine runs while it waits, so that its pod's first one is not the first. */
import type { AgentConnection } from '../../agent/connection.ts'
import type { Config } from '../../config/config.ts'
import { defaultSpec } from '../../oci/defaults/default-spec.ts'
import { deviceRights } from '../../oci/devices/device-rights.ts'
import { toAgentSpec } from '../../oci/guest/agent-spec.ts'
import { guestSpec } from '../../oci/guest/pipeline.ts'
import { compileSeccomp } from '../../oci/guest/seccomp-filter.ts'
import { parseSpec } from '../../oci/read-spec.ts'

const containerId = 'warm-up'

/**
 * Has the guest make, run and remove a container with the rights of any. The agent has a root file system and a program for it.
 *
 * @throws TtrpcError with the guest's reason; KataError AGENT_DIED.
 */
export async function warmUp(
  { agent }: Pick<AgentConnection, 'agent'>,
  { runtime: { disableGuestSeccomp } }: Pick<Config, 'runtime'>,
): Promise<void> {
  const spec = parseSpec(defaultSpec(anyContainer))
  const seccomp = spec.linux?.seccomp
  const forGuest = guestSpec(spec, {
    containerId,
    bundle: '',
    rootfs: '',
    rights: deviceRights(spec),
    mounts: spec.mounts ?? [],
    passedDevices: [],
    diskRules: [],
    mountRules: [],
    disableGuestSeccomp,
    seccompFilter: disableGuestSeccomp || seccomp === undefined ? undefined : compileSeccomp(seccomp),
  })
  await agent.warmUp({ containerId, execId: containerId, oci: toAgentSpec(forGuest) })
}

const anyContainer = {
  args: ['true'],
  env: [],
  cwd: '',
  user: { uid: 0, gid: 0 },
  terminal: false,
  hostname: containerId,
  readonly: false,
  rootfs: 'rootfs',
  mounts: [],
}
