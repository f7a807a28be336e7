/** A double of the host with a template, machines that wait on it, and a pod that asks for nothing special. */
import { writeFileSync } from 'node:fs'
import type { Config, HypervisorConfig } from '../../config/config.ts'
import { silentLogger } from '../../log.ts'
import { HostDouble } from '../start/doubles/host.double.ts'
import { VmmDouble } from '../start/doubles/vmm.double.ts'
import type { StartHost } from '../start/host.ts'
import type { SandboxRequest } from '../start/request.ts'
import type { Template } from '../template/template-store.ts'
import { makeWaitingMachine } from './waiting-machine.ts'

export class Pool extends HostDouble {
  madeAt = '2026-01-01T00:00:00Z'
  readonly giveUpWait = new AbortController()

  get withTemplate(): StartHost {
    const { createVmm } = this.host
    // Its identity is a part of the template's key.
    const file = `${this.directory}/kernel`
    return {
      ...this.host,
      // A machine ends once.
      createVmm: async (options) => (this.made === undefined ? createVmm(options) : new VmmDouble()),
      resolveAssets: () => ({ kernel: file, initrd: file, verify: async () => {} }),
      findTemplate: (path, key) =>
        ({ facts: { key, madeAt: this.madeAt }, saved: { state: `${path}/${key}/state` } }) as Template,
    }
  }

  constructor() {
    super()
    writeFileSync(`${this.directory}/kernel`, 'k')
    writeFileSync(this.#virtiofsd, 'v', { mode: 0o755 })
  }

  get #virtiofsd(): string {
    return `${this.directory}/virtiofsd`
  }

  upgradeVirtiofsd(): void {
    writeFileSync(this.#virtiofsd, 'v2')
  }

  pod(changes: Partial<HypervisorConfig> = {}): SandboxRequest {
    const own = { coldPlugVfio: 'no-port', agentChannel: 'serial', virtioFsDaemon: this.#virtiofsd } as const
    const request = this.request({ ...own, ...changes })
    const { config, container } = request
    const factory = { ...config.factory, enableTemplate: true, vmCacheNumber: 1 }
    return { ...request, container: { ...container, spec: {} }, config: { ...config, factory } }
  }

  waiting(config: Config = this.pod().config) {
    const parts = { id: 'w1', runDir: this.pod().runDir, log: silentLogger, signal: this.giveUpWait.signal }
    return makeWaitingMachine({ ...parts, config }, this.withTemplate)
  }
}
