/** A double of the host with a machine that was saved, and its container's root file system on a disk. Only root's files count as saved. */
import { writeFileSync } from 'node:fs'
import type { Config } from '../../config/config.ts'
import { hostMemoryMiB } from '../size/machine-sizer.ts'
import { planMachine } from '../size/sizing.ts'
import { HostDouble } from '../start/doubles/host.double.ts'
import type { StartHost } from '../start/host.ts'
import { assetFiles } from '../start/prepare/asset-files.ts'
import type { SandboxRequest } from '../start/request.ts'
import { machineKey } from './machine-key.ts'
import { saveMachine } from './save-machine.ts'

const accelerator = { accelerator: 'kvm', reason: 'a guest booted with it' } as const

export class SavedPod extends HostDouble {
  /** What was saved. */
  readonly saved = `${this.directory}/saved`
  readonly #disk = `${this.directory}/written.img`
  readonly #kernel = `${this.directory}/kernel`

  constructor() {
    super()
    writeFileSync(this.#kernel, 'kernel')
    writeFileSync(this.#disk, Buffer.alloc(4096))
  }

  /** Its kernel is there: its bytes are a part of the machine's key. */
  get withKernel(): StartHost {
    const { resolveAssets } = this.host
    return {
      ...this.host,
      resolveAssets: (config) => ({ ...resolveAssets(config), kernel: this.#kernel, initrd: this.#kernel }),
    }
  }

  pod(): SandboxRequest {
    const request = this.request({ sharedFs: 'none', coldPlugVfio: 'no-port', agentChannel: 'serial' })
    const rootfs = [{ type: 'ext4', source: this.#disk, options: [] }]
    return { ...request, container: { ...request.container, spec: {}, rootfs } }
  }

  async save(config: Config = this.pod().config): Promise<void> {
    const { container, signal } = this.pod()
    const plan = planMachine(config, container.spec, hostMemoryMiB())
    const assets = { kernel: this.#kernel, initrd: this.#kernel, verify: async () => {} }
    const made = { assets, assetFiles: assetFiles(assets), assetsNow: () => assets }
    const machine = { ...made, accelerator, plan, began: 'boot', macs: [] } as const
    const vmm = { save: async ({ state }: { readonly state: number }) => writeFileSync(state, 'memory') }
    const address = { driver: 'blk', pciPath: '01/00' } as const
    const disks = { all: [{ id: 'disk1', name: this.#disk, readonly: false, address }] }
    const parts = { vmm, machine, disks } as unknown as Parameters<typeof saveMachine>[0]
    const key = (await machineKey(config, machine, signal))!
    await saveMachine(parts, { key, container: 'pod' }, { directory: this.saved, ends: true, signal })
  }
}
