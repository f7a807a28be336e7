/** CRI as a kubelet speaks it: gRPC over containerd's socket, with our own minimal messages. */

import { credentials, Client as GrpcClient, type ServiceError } from '@grpc/grpc-js'
import type { DeepPartial } from '../../src/protobuf/message.ts'
import {
  ContainerConfig,
  NamespaceMode,
  PodSandboxConfig,
  PodSandboxState,
  RuntimeServiceDefinition,
} from '../../src/protocol/generated/cri/runtime.ts'
import type { Client, MethodDefinition } from '../../src/ttrpc/ttrpc.ts'
import { slow } from '../harness/time.ts'
import { podCgroup } from './cgroups.ts'
import { busyboxImage } from './images.ts'

/** Longest any one call may take, milliseconds: kubelet's own limit for a pod's start is 4 minutes. */
const callDeadlineMs = slow(240_000)

/** containerd's own limit of what ExecSync returns. */
const maxAnswerBytes = 16 << 20

export type CriCalls = Client<RuntimeServiceDefinition>

/** What CRI answered in place of a result; `message` is the text that a person finds in `kubectl describe`. */
class CriError extends Error {
  readonly code: number
  constructor({ code, details }: ServiceError, method: string) {
    super(`${method}: ${details}`)
    this.code = code
  }
}

/**
 * The text of the error that a call ends with. (`expect().rejects` holds up the event loop that gRPC's answer needs.)
 *
 * @throws Error when the call succeeds.
 */
export async function failureOf(call: Promise<unknown>): Promise<string> {
  const outcome = await call.then(
    () => undefined,
    (error: Error) => error.message,
  )
  if (outcome === undefined) throw new Error('the call should have failed')
  return outcome
}

export interface PodOptions {
  readonly handler?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly config?: DeepPartial<PodSandboxConfig>
}

export type ContainerOptions = DeepPartial<ContainerConfig>

/** As a kubelet asks unless the pod shares its process namespace. */
export const ownPids = { namespaceOptions: { pid: NamespaceMode.CONTAINER } }

let serial = 0

export class Cri {
  readonly calls: CriCalls
  readonly #client: GrpcClient

  constructor(socket: string) {
    this.#client = new GrpcClient(`unix://${socket}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': maxAnswerBytes,
    })
    const methods = Object.entries(RuntimeServiceDefinition.methods).map(([key, method]) => [
      key,
      (request: unknown) => this.#call(method as MethodDefinition, request),
    ])
    this.calls = Object.fromEntries(methods) as CriCalls
  }

  /** Whether containerd answers and its network is configured. */
  async isReady(): Promise<true | undefined> {
    try {
      const { status } = await this.calls.status({})
      return status?.conditions.every((condition) => condition.status) || undefined
    } catch {
      return undefined
    }
  }

  /** RunPodSandbox with what every pod needs. */
  async runPod(options: PodOptions = {}): Promise<Pod> {
    const name = `pod-${++serial}`
    const { handler = 'kata-ts', annotations = {} } = options
    const config = PodSandboxConfig.fromPartial({
      metadata: { name, uid: crypto.randomUUID(), namespace: 'default', attempt: 0 },
      hostname: name,
      annotations: { ...annotations },
      linux: { cgroupParent: `/${podCgroup}`, securityContext: ownPids },
      ...options.config,
    })
    const { podSandboxId } = await this.calls.runPodSandbox({ config, runtimeHandler: handler })
    return new Pod(this.calls, podSandboxId, config)
  }

  /** Ends and removes every pod with its containers. */
  async removeAll(): Promise<void> {
    const { items } = await this.calls.listPodSandbox({})
    await Promise.all(
      items.map(async ({ id, state }) => {
        if (state === PodSandboxState.SANDBOX_READY) await this.calls.stopPodSandbox({ podSandboxId: id })
        await removePodSandbox(this.calls, id)
      }),
    )
  }

  close(): void {
    this.#client.close()
  }

  #call(method: MethodDefinition, request: unknown): Promise<unknown> {
    const { name, requestType, responseType } = method
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        `/${RuntimeServiceDefinition.fullName}/${name}`,
        (message: unknown) => Buffer.from(requestType.encode(requestType.fromPartial(message)).finish()),
        (bytes: Buffer) => responseType.decode(bytes),
        request,
        { deadline: Date.now() + callDeadlineMs },
        (error: ServiceError | null, answer?: unknown) =>
          error === null ? resolve(answer) : reject(new CriError(error, name)),
      )
    })
  }
}

/** A pod that runs. */
export class Pod {
  readonly id: string
  readonly config: PodSandboxConfig
  readonly #calls: CriCalls

  constructor(calls: CriCalls, id: string, config: PodSandboxConfig) {
    this.#calls = calls
    this.id = id
    this.config = config
  }

  /** CreateContainer from the busybox image. Returns the container's id. */
  async create(command: readonly string[], options: ContainerOptions = {}): Promise<string> {
    const config = ContainerConfig.fromPartial({
      metadata: { name: `c-${++serial}`, attempt: 0 },
      image: { image: busyboxImage },
      command: [...command],
      linux: { resources: {}, securityContext: ownPids },
      ...options,
    })
    const request = { podSandboxId: this.id, config, sandboxConfig: this.config }
    return (await this.#calls.createContainer(request)).containerId
  }

  /** CreateContainer and StartContainer. Returns the container's id. */
  async start(command: readonly string[], options: ContainerOptions = {}): Promise<string> {
    const containerId = await this.create(command, options)
    await this.#calls.startContainer({ containerId })
    return containerId
  }

  /** ExecSync with its streams as text; `timeout` in seconds. */
  async exec(containerId: string, cmd: readonly string[], timeout = slow(60)) {
    const { stdout, stderr, exitCode } = await this.#calls.execSync({
      containerId,
      cmd: [...cmd],
      timeout: BigInt(timeout),
    })
    const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
    return { stdout: text(stdout), stderr: text(stderr), exitCode }
  }

  /** The process that stands for the pod on the host: its VMM. */
  async pid(): Promise<number> {
    const { info } = await this.#calls.podSandboxStatus({ podSandboxId: this.id, verbose: true })
    return (JSON.parse(info.info!) as { pid: number }).pid
  }

  async address(): Promise<string> {
    const { status } = await this.#calls.podSandboxStatus({ podSandboxId: this.id })
    return status?.network?.ip ?? ''
  }

  /** Ends and removes all its containers; the pod goes on. */
  async clear(): Promise<void> {
    const { containers } = await this.#calls.listContainers({ filter: { podSandboxId: this.id } })
    for (const { id: containerId } of containers) {
      await this.#calls.stopContainer({ containerId, timeout: 0n })
      await this.#calls.removeContainer({ containerId })
    }
  }

  /** StopPodSandbox and RemovePodSandbox, with all containers. */
  async remove(): Promise<void> {
    await this.#calls.stopPodSandbox({ podSandboxId: this.id })
    await removePodSandbox(this.#calls, this.id)
  }
}

/**
 * RemovePodSandbox as a kubelet calls it: again, while containerd has not yet handled the end of a container that StopPodSandbox has killed.
 *
 * @throws CriError of the last call.
 */
async function removePodSandbox(calls: CriCalls, podSandboxId: string): Promise<void> {
  for (const until = Date.now() + slow(20_000); ; await Bun.sleep(200)) {
    try {
      await calls.removePodSandbox({ podSandboxId })
      return
    } catch (error) {
      const isLate = error instanceof CriError && error.message.includes('still running')
      if (!isLate || Date.now() > until) throw error
    }
  }
}
