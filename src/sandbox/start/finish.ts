/** The last stage of every start, once the guest has answered: records the facts, and builds the Sandbox. */
import type { NetworkFacts } from '../../network/facts.ts'
import type { Sandbox } from '../sandbox.ts'
import type { MadeMachine } from '../sandbox-parts.ts'
import { assembleSandbox, type MadeParts } from './assemble.ts'
import type { StartHost } from './host.ts'
import { recordFacts, type StartedSandbox } from './record.ts'
import type { SandboxRequest } from './request.ts'
import type { Timings } from './timings.ts'

type Asked = Pick<SandboxRequest, 'id' | 'namespace' | 'config' | 'log' | 'signal'>

/** What the earlier stages have made. */
export interface Stages
  extends Omit<MadeParts, keyof Asked | 'identity' | 'served' | 'machine'>,
    Pick<StartedSandbox, 'shim' | 'user' | 'share' | 'walls' | 'template' | 'waited'> {
  readonly machine: Omit<MadeMachine, 'assetsNow' | 'macs'> & {
    /** The network as it was described to the guest. */
    readonly network: Pick<NetworkFacts, 'interfaces'>
  }
  readonly timings: Pick<Timings, 'steps'>
}

/** @throws the signal's reason. */
export async function finishStart(
  { resolveAssets }: Pick<StartHost, 'resolveAssets'>,
  { id, namespace, config, log, signal }: Asked,
  { shim, user, share, walls, template, waited, timings, machine, ...made }: Stages,
): Promise<Sandbox> {
  const { paths, vmmProcess, agentFacts } = made
  const { network, ...others } = machine
  const { assets, accelerator, plan } = others
  const origin = { assets, template, waited, accelerator, plan }
  const started = { shim, vmmProcess, user, share, walls, agentFacts, timings: timings.steps }
  recordFacts(paths.facts, { id, namespace, config, ...origin, ...started })
  const macs = network.interfaces.map(({ mac }) => mac)
  const assetsNow = () => resolveAssets(config)
  const parts = { machine: { ...others, assetsNow, macs }, identity: user.identity }
  return await assembleSandbox({ ...made, ...parts, id, config, log, signal, served: share })
}
