/** The last stage of every start, once the guest has answered: its facts are written down, and the sandbox is put together. */
import type { Sandbox } from '../sandbox.ts'
import { assembleSandbox, type MadeParts } from './assemble.ts'
import { recordFacts, type StartedSandbox } from './record.ts'
import type { SandboxRequest } from './request.ts'
import type { Timings } from './timings.ts'

type Asked = Pick<SandboxRequest, 'id' | 'namespace' | 'config' | 'log' | 'signal'>

/** What the stages before have made. */
export interface Stages
  extends Omit<MadeParts, keyof Asked | 'identity' | 'served'>,
    Pick<StartedSandbox, 'shim' | 'user' | 'share' | 'walls' | 'template' | 'waited'> {
  readonly timings: Pick<Timings, 'steps'>
}

/** @throws the signal's reason. */
export async function finishStart(
  { id, namespace, config, log, signal }: Asked,
  { shim, user, share, walls, template, waited, timings, ...made }: Stages,
): Promise<Sandbox> {
  const { paths, vmmProcess, machine, agentFacts } = made
  const { assets, accelerator, plan } = machine
  const origin = { assets, template, waited, accelerator, plan }
  const started = { shim, vmmProcess, user, share, walls, agentFacts, timings: timings.steps }
  recordFacts(paths.facts, { id, namespace, config, ...origin, ...started })
  return await assembleSandbox({ ...made, id, config, log, signal, identity: user.identity, served: share })
}
