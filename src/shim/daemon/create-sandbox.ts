/** From the first Create of a task to a sandbox. The configuration that applies is decided here, once. */
import { readOverrides } from '../../bundle/overrides.ts'
import { applyAnnotations } from '../../config/annotations.ts'
import type { Config } from '../../config/config.ts'
import { loadConfig } from '../../config/load.ts'
import { applyOverrides } from '../../config/overrides.ts'
import { failpointsOf } from '../../ledger/failpoints.ts'
import type { Logger } from '../../log.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { Options } from '../../protocol/generated/containerd/runtime_options.ts'
import type { CreateTaskRequest } from '../../protocol/generated/containerd/task.ts'
import type { ContainerRequest } from '../../sandbox/container-request.ts'
import { networkRequest } from '../../sandbox/network/network.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { createSandbox } from '../../sandbox/start/create.ts'
import { shmBytes } from '../../sandbox/storage/shm.ts'
import { optionsTypeUrl } from '../bootstrap.ts'
import type { ShimFlags } from '../flags.ts'

export async function createSandboxForTask(input: {
  flags: ShimFlags
  runDir: string
  request: CreateTaskRequest
  container: ContainerRequest
  log: Logger
  /** Aborts the start. */
  signal: AbortSignal
  /** Replaces `log` when the configuration asks for detail. */
  detailedLog: Logger
}): Promise<Sandbox> {
  const { flags, runDir, request, container, signal } = input
  const { spec } = container
  const config = decideConfig(request, spec, input.log)
  return createSandbox({
    id: flags.id,
    namespace: flags.namespace,
    runDir,
    // A machine needs a name: without one its kernel says "(none)".
    hostname: spec.hostname || flags.id,
    shmBytes: shmBytes(spec),
    network: networkRequest(spec, { client: flags.namespace, id: flags.id, bundle: request.bundle }),
    container,
    config,
    signal,
    failpoints: failpointsOf('serve', process.env, input.log),
    log: config.runtime.enableDebug ? input.detailedLog : input.log,
  })
}

/** File, then the pod's annotations through the operator's allow-list, then the operator at the command line. */
function decideConfig(request: CreateTaskRequest, spec: OciSpec, log: Logger): Config {
  const file = configPath(request)
  const loaded = loadConfig({ ...(file === '' ? {} : { file }), env: process.env, log })
  const annotated = applyAnnotations(loaded, spec.annotations ?? {}, log)
  return applyOverrides(annotated, readOverrides(request.bundle) ?? {})
}

function configPath({ options }: CreateTaskRequest): string {
  if (options?.typeUrl !== optionsTypeUrl) return ''
  return Options.decode(options.value).configPath
}
