/** From the first Create of a task to a sandbox. The configuration that applies is decided here, once. */
import { readOverrides } from '../../bundle/overrides.ts'
import { applyAnnotations } from '../../config/annotations.ts'
import type { Config } from '../../config/config.ts'
import { loadConfig } from '../../config/load.ts'
import { applyOverrides } from '../../config/overrides.ts'
import { failpointsOf } from '../../ledger/failpoints.ts'
import type { Logger } from '../../log.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { plainText } from '../../plain-text.ts'
import { Options } from '../../protocol/generated/containerd/runtime_options.ts'
import type { CreateTaskRequest } from '../../protocol/generated/containerd/task.ts'
import type { ContainerRequest } from '../../sandbox/container-request.ts'
import { networkRequest } from '../../sandbox/network/network.ts'
import type { WaitingMachine } from '../../sandbox/pool/waiting-machine.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { createSandbox } from '../../sandbox/start/create.ts'
import { type StartHost, thisHost } from '../../sandbox/start/host.ts'
import type { SandboxRequest } from '../../sandbox/start/request.ts'
import { shmBytes } from '../../sandbox/storage/shm.ts'
import { optionsTypeUrl } from '../bootstrap.ts'
import type { ShimFlags } from '../flags.ts'

/** The longest type that a warning names, characters. */
const longestType = 100

/** @throws KataError those of the configuration, of the pod's specification and of a sandbox's start. */
export async function createSandboxForTask(
  input: {
    flags: ShimFlags
    runDir: string
    request: CreateTaskRequest
    container: ContainerRequest
    log: Logger
    /** Aborts the start. */
    signal: AbortSignal
    /** Replaces `log` when the configuration asks for detail. */
    detailedLog: Logger
    /**
     * Hands over the machine that waited in this shim, which is then used or released. It is asked for once the configuration is known: a pod
     * that fails before leaves the machine where it is.
     */
    takeMachine: () => WaitingMachine | undefined
  },
  host: StartHost = thisHost,
): Promise<Sandbox> {
  const { flags, runDir, request, container, signal } = input
  const { spec } = container
  const file = configPath(request, input.log)
  const config = decideConfig({ file, spec, bundle: request.bundle, env: process.env }, input.log)
  const asked: SandboxRequest = {
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
  }
  // Most pods begin in neither of the two other ways, and their shims do not hold the code of those.
  if (request.checkpoint !== '') {
    const { resumeSandbox } = await import('../../sandbox/checkpoint/resume.ts')
    // It goes on with a machine of its own.
    await input.takeMachine()?.release()
    return resumeSandbox(asked, request.checkpoint, host)
  }
  const machine = input.takeMachine()
  if (machine !== undefined) {
    const { adoptMachine } = await import('../../sandbox/pool/adopt.ts').catch(async (error) => {
      // Nobody else has the machine any more.
      await machine.release()
      throw error
    })
    return adoptMachine(machine, asked, host)
  }
  if (config.factory.vmCacheNumber > 0) asked.log.info('no waiting machine took this pod')
  return createSandbox(asked, host)
}

/** File, then the pod's annotations through the operator's allow-list, then the operator at the command line. */
export function decideConfig(
  {
    file,
    spec,
    bundle,
    env,
  }: {
    /** The file that the client names; empty for none. */
    readonly file: string
    readonly spec: Pick<OciSpec, 'annotations'>
    readonly bundle: string
    readonly env: Readonly<Record<string, string | undefined>>
  },
  log: Logger,
): Config {
  const loaded = loadConfig({ ...(file === '' ? {} : { file }), env, log })
  const annotated = applyAnnotations(loaded, spec.annotations ?? {}, log)
  return applyOverrides(annotated, readOverrides(bundle) ?? {})
}

/** The configuration file that the client names; empty for none. Options of another runtime may mean to name one, which would not count. */
export function configPath({ options }: Pick<CreateTaskRequest, 'options'>, log: Logger): string {
  if (options === undefined) return ''
  const { typeUrl, value } = options
  if (typeUrl === optionsTypeUrl) return Options.decode(value).configPath
  if (value.length > 0)
    log.warn('runtime options of another type are not read, a configuration file that they name included', {
      type: plainText(typeUrl, longestType),
      read: optionsTypeUrl,
    })
  return ''
}
