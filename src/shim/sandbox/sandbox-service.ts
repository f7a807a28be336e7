/**
 * The Sandbox service (containerd.runtime.sandbox.v1), beside the Task service of the same pod: containerd 2 with
 * `sandboxer = "shim"` starts the machine itself and looks at it, where otherwise a sandbox container stands for it. The tasks of
 * the pod are then the Task service's as ever.
 */
import { KataError } from '../../errors.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { type NetworkStats, StatsContainerResponse } from '../../protocol/generated/agent.ts'
import type * as api from '../../protocol/generated/containerd/sandbox.ts'
import { CreateTaskRequest } from '../../protocol/generated/containerd/task.ts'
import { toTimestamp } from '../../protocol/timestamp.ts'
import { lostExitStatus } from '../../sandbox/guest/exit-status.ts'
import { untilAborted } from '../../time.ts'
import type { CallContext } from '../../ttrpc/ttrpc.ts'
import type { Pod } from '../daemon/pod.ts'
import { type MountShower, showLateMounts } from '../late-mounts.ts'
import { toMetrics } from '../statistics/stats.ts'
import type { RuntimeOptions } from './runtime-options.ts'

export interface SandboxServiceOptions {
  readonly pod: Pod
  /** What `start` was told of the runtime's options; undefined when it was told nothing. */
  readonly runtimeOptions: () => RuntimeOptions | undefined
  /** Copies mounts of the client's that the shim does not see; absent for a shim that is younger than its pod, and sees all. */
  readonly showMounts?: MountShower
  /** Figures of the pod's interfaces in the guest. */
  readonly networkStats: () => Promise<NetworkStats[]>
  /** The client is done with the shim. */
  readonly onShutdown: () => void
}

/** A pod that was described, and is started or not. */
interface Described {
  readonly bundle: string
  readonly spec: OciSpec
  /** What each of its containers gets. */
  complete(spec: OciSpec): OciSpec
}

/** CRI's names. */
const [ready, notReady] = ['SANDBOX_READY', 'SANDBOX_NOTREADY']

export class SandboxService {
  readonly #options: SandboxServiceOptions
  #described: Described | undefined
  #startedAt: Date | undefined
  #endedAt: Date | undefined
  #leftIsTold = false

  constructor(options: SandboxServiceOptions) {
    this.#options = options
    const ended = () => {
      this.#endedAt = new Date()
    }
    options.pod.over.addEventListener('abort', ended, { once: true })
  }

  /** The specification of a container with what its pod gives it: as it is, unless this service made the pod. */
  complete(spec: OciSpec): OciSpec {
    return this.#described?.complete(spec) ?? spec
  }

  /**
   * Reads what is said of the pod and makes its files. No machine is started yet.
   *
   * @throws KataError TASK_EXISTS, TASK_NOT_FOUND, SANDBOX_REQUEST, and those of {@link podSpec}.
   */
  async createSandbox(request: api.CreateSandboxRequest): Promise<object> {
    const { sandboxId: id, bundlePath: bundle } = request
    this.#requirePod(id)
    // Loaded by those alone who have such pods: the messages of CRI are many.
    const [{ podSpec, readPodConfig }, { withPodFiles, writePodFiles }] = await Promise.all([
      import('./pod-config.ts'),
      import('./pod-files.ts'),
    ])
    // Without a pause after this, in which another call could see none yet.
    if (this.#described !== undefined) throw new KataError('TASK_EXISTS', { id: `sandbox ${id}` })
    const config = readPodConfig(request)
    const files = writePodFiles(bundle, id, config)
    const spec = podSpec(request, config, files)
    this.#options.pod.standAlone()
    this.#described = {
      bundle,
      spec,
      complete: (container) => withPodFiles(container, files, spec.linux?.sysctl ?? {}),
    }
    return {}
  }

  /**
   * Starts the machine.
   *
   * @throws KataError TASK_STATE before its creation and after its end; SHARE_SOURCE_HIDDEN; those of the start.
   */
  async startSandbox(
    { sandboxId: id }: api.StartSandboxRequest,
    context?: Pick<CallContext, 'onCancel' | 'peer'>,
  ): Promise<api.StartSandboxResponse> {
    const { bundle, spec } = this.#needed(id, 'start')
    const { pod, showMounts } = this.#options
    context?.onCancel(({ code }) => {
      if (code === 'deadline_exceeded') void pod.stopAnyway('its client’s time for it is over')
    })
    // The pod's network namespace is a mount.
    if (showMounts !== undefined && context?.peer !== undefined)
      await showLateMounts({ id, spec, bundle }, context.peer, showMounts)
    const options = this.#options.runtimeOptions()
    const request = CreateTaskRequest.fromPartial({ id, bundle, ...(options && { options }) })
    const rights = { every: false, rules: [] }
    const { pid } = await pod.start(request, { id, spec, rights, bundle, rootfs: [] })
    this.#startedAt ??= new Date()
    return { pid, createdAt: toTimestamp(this.#startedAt) }
  }

  /** The guest's platform. */
  async platform({ sandboxId }: api.PlatformRequest): Promise<api.PlatformResponse> {
    this.#requirePod(sandboxId)
    return { platform: { os: 'linux', architecture: 'amd64', variant: '', osVersion: '' } }
  }

  /**
   * Ends the machine and releases all it held. There is no less than that in any time, and the client's is not looked at.
   *
   * @throws KataError RELEASE_FAILED, once: a client that asks again goes on to ShutdownSandbox, after which `gc` has the rest.
   */
  async stopSandbox({ sandboxId }: api.StopSandboxRequest): Promise<object> {
    this.#requirePod(sandboxId)
    try {
      await this.#options.pod.stop()
    } catch (error) {
      if (this.#leftIsTold) return {}
      this.#leftIsTold = true
      throw error
    }
    return {}
  }

  /** Answers at the end of the machine: 0 when that was asked for, else as for a process whose machine was lost. */
  async waitSandbox(
    { sandboxId }: api.WaitSandboxRequest,
    call?: Pick<CallContext, 'onCancel'>,
  ): Promise<api.WaitSandboxResponse> {
    this.#requirePod(sandboxId)
    const { over, death } = await this.#over(call)
    return { exitStatus: death === undefined ? 0 : lostExitStatus, exitedAt: toTimestamp(over) }
  }

  async sandboxStatus({ sandboxId, verbose }: api.SandboxStatusRequest): Promise<api.SandboxStatusResponse> {
    this.#requirePod(sandboxId)
    const { pod } = this.#options
    const isReady = this.#startedAt !== undefined && !pod.over.aborted && !pod.isStopping
    return {
      sandboxId,
      pid: pod.over.aborted ? 0 : pod.pid,
      state: isReady ? ready : notReady,
      info: verbose ? this.#info(isReady) : {},
      createdAt: this.#startedAt && toTimestamp(this.#startedAt),
      exitedAt: this.#endedAt && toTimestamp(this.#endedAt),
      extra: undefined,
    }
  }

  /** @throws KataError TASK_STATE when there is no machine, or none any more. */
  async pingSandbox({ sandboxId: id }: api.PingRequest): Promise<object> {
    this.#requirePod(id)
    if (this.#startedAt === undefined || this.#options.pod.over.aborted)
      throw new KataError('TASK_STATE', { action: 'reach', id, state: this.#state() })
    return {}
  }

  /** @throws KataError RELEASE_FAILED. The shim ends all the same, so that `delete` and `gc` may release what is left. */
  async shutdownSandbox({ sandboxId }: api.ShutdownSandboxRequest): Promise<object> {
    this.#requirePod(sandboxId)
    try {
      await this.#options.pod.stop()
    } finally {
      this.#options.onShutdown()
    }
    return {}
  }

  /**
   * What the pod costs the host, VMM, virtiofsd and shim together, in the type of the host's cgroups, and the traffic of its interfaces,
   * if the guest tells that.
   *
   * @throws KataError TASK_STATE when there is no machine, or none any more; SANDBOX_DIED, AGENT_DIED.
   */
  async sandboxMetrics({ sandboxId: id }: api.SandboxMetricsRequest): Promise<api.SandboxMetricsResponse> {
    this.#needed(id, 'measure')
    const networkStats = await this.#options.networkStats()
    const cgroupStats = this.#options.pod.hostUsage()
    if (cgroupStats === undefined)
      throw new KataError('TASK_STATE', { action: 'measure', id, state: this.#state() })
    const data = await toMetrics(StatsContainerResponse.fromPartial({ cgroupStats, networkStats }))
    return { metrics: { timestamp: toTimestamp(new Date()), id, data } }
  }

  async #over(
    call: Pick<CallContext, 'onCancel'> | undefined,
  ): Promise<{ over: Date; death: KataError | undefined }> {
    const { pod } = this.#options
    using ended = untilAborted(pod.over)
    // A pod may live for a year, and its clients come and go.
    call?.onCancel(() => ended[Symbol.dispose]())
    await ended.aborted
    return { over: this.#endedAt ?? new Date(), death: pod.death }
  }

  /** containerd joins the JSON of `info` with its own; why a machine died is nowhere else for it to be seen. */
  #info(isReady: boolean): Record<string, string> {
    const { pod } = this.#options
    const info = { pid: pod.over.aborted ? 0 : pod.pid, processStatus: isReady ? 'running' : this.#state() }
    return { info: JSON.stringify(info), ...(pod.death && { reason: pod.death.message }) }
  }

  #state(): string {
    return this.#startedAt === undefined && this.#endedAt === undefined ? 'not started' : 'stopped'
  }

  #needed(id: string, action: string): Described {
    this.#requirePod(id)
    if (this.#described === undefined) throw new KataError('TASK_STATE', { action, id, state: 'not created' })
    return this.#described
  }

  #requirePod(id: string): void {
    if (id !== this.#options.pod.id) throw new KataError('TASK_NOT_FOUND', { id: `sandbox ${id}` })
  }
}
