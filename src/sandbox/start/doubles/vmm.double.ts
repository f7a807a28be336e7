/** A VMM for tests: no process, no guest. It notes its calls, in order, and may fail or wait in each of them. */
import type { AgentEndpoint } from '../../../protocol/agent-endpoint.ts'
import type { LaunchedProcess } from '../../../rootless/jail/launch-spec.ts'
import type { MachineSize, VmEnd, Vmm } from '../../../vmm/vmm.ts'

export type VmmCall = 'start' | 'boot' | 'stop' | 'plug' | 'resize'

export class VmmDouble implements Vmm {
  readonly calls: VmmCall[] = []
  readonly agent: AgentEndpoint = { kind: 'serial', socketPath: '/absent/agent.sock' }
  readonly ended: Promise<VmEnd>
  /** Tells how the machine ended. */
  readonly end: (end: VmEnd) => void
  offlineVcpus = 0
  readonly #onCall: (call: VmmCall) => unknown

  /** `onCall` is awaited in each call; what it throws, the call throws. */
  constructor(onCall: (call: VmmCall) => unknown = () => {}) {
    this.#onCall = onCall
    const { promise, resolve } = Promise.withResolvers<VmEnd>()
    this.ended = promise
    this.end = resolve
  }

  async #called(call: VmmCall): Promise<void> {
    this.calls.push(call)
    await this.#onCall(call)
  }

  async start(): Promise<LaunchedProcess> {
    await this.#called('start')
    return { ref: { pid: 4711, startTime: '1' }, exited: new Promise(() => {}) }
  }

  boot(): Promise<void> {
    return this.#called('boot')
  }

  async stop(): Promise<void> {
    await this.#called('stop')
    this.end({ reason: 'exited', consoleTail: '', logTail: '' })
  }

  consoleTail(): string {
    return 'its last words'
  }

  async plugDisk() {
    await this.#called('plug')
    return { driver: 'blk', pciPath: '01/00' } as const
  }

  unplugDisk(): Promise<void> {
    return this.#called('plug')
  }

  resizeDisk(): Promise<void> {
    return this.#called('resize')
  }

  plugNic(): Promise<void> {
    return this.#called('plug')
  }

  async resize(size: MachineSize): Promise<MachineSize> {
    await this.#called('resize')
    return size
  }
}
