/** Devices of the host that a pod's guest drives itself: which ones a spec asks for, and how they get into the machine. */
import { closeSync } from 'node:fs'
import type { Config } from '../../config/config.ts'
import { nameOf } from '../../config/drivers.ts'
import { tablesWith } from '../../config/keys.ts'
import { openIommu, openVfioDevice } from '../../devices/vfio.ts'
import { vfioHolder } from '../../devices/vfio-holder.ts'
import { findVfio, isVfioCommon, type VfioFunction } from '../../devices/vfio-tree.ts'
import { KataError } from '../../errors.ts'
import { everyStep } from '../../ledger/every-step.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { DeviceRights } from '../../oci/devices/device-rights.ts'
import { isNamed } from '../../oci/devices/device-rules.ts'
import type { DeviceRule } from '../../oci/resources.ts'
import type { OciDevice, OciSpec } from '../../oci/spec.ts'
import type { Device } from '../../protocol/generated/agent.ts'
import { serially } from '../../time.ts'
import type { PassThrough, VfioAttachment } from '../../vmm/machine/pass-through.ts'
import { holderName } from './device-holder.ts'
import { vfioResource } from './vfio-resource.ts'

export interface VfioUse {
  readonly device: OciDevice
  readonly functions: readonly VfioFunction[]
}

/** What the host offers; tests have their own. */
export interface VfioHost {
  find(numbers: { major: number; minor: number }, container: string): readonly VfioFunction[] | undefined
  isCommon(numbers: { major: number; minor: number }): boolean
  /** What holds the device already, in words. */
  holder(device: VfioFunction): string | undefined
  open(device: VfioFunction, container: string): number
  openIommu(container: string): number
}

/** This host; sandboxes of `runDir` are known by name. */
export function vfioHost(runDir?: string): VfioHost {
  return {
    find: findVfio,
    isCommon: isVfioCommon,
    open: openVfioDevice,
    openIommu,
    holder: ({ numbers }) => {
      const pid = vfioHolder(numbers)
      return pid === undefined ? undefined : holderName(pid, runDir)
    },
  }
}

const thisHost = vfioHost()

/** The kernel's answer to a bind when the device is bound already (drivers/vfio/device_cdev.c). */
const boundAlready = /error bind device fd=\d+ to iommufd=\d+: (Invalid argument|Device or resource busy)/

/** DEVICE_IN_USE when a VMM refused devices because another process holds them; else the refusal itself. */
function explainBind(
  error: unknown,
  devices: readonly { readonly name: string }[],
  container: string,
): unknown {
  if (!(error instanceof KataError) || !boundAlready.test(error.rawMessage)) return error
  const device = devices.map(({ name }) => name).join(', ')
  const holder = 'the kernel does not bind it a second time'
  return new KataError('DEVICE_IN_USE', { device, container, holder }, { cause: error })
}

/** A container, as far as its devices go. */
export interface VfioContainer {
  readonly id: string
  readonly spec: OciSpec
  readonly rights: DeviceRights
}

export interface VfioUses {
  readonly uses: readonly VfioUse[]
  /** Devices that are left out of the guest's spec, because the guest's kernel drives them as its own. */
  readonly passed: readonly OciDevice[]
}

/**
 * The VFIO devices in `linux.devices`, by their numbers, and the nodes that all of them share and that device plugins add. Where
 * the list is that of every device of the host, only a device that a rule names, or outside /dev/vfio, counts as asked for.
 *
 * @throws KataError VFIO_NO_IOMMU, VFIO_NO_CDEV, VFIO_GROUP_SHARED.
 */
export function vfioUses(
  { id: container, spec, rights }: VfioContainer,
  host: VfioHost = thisHost,
): VfioUses {
  const devices = spec.linux?.devices ?? []
  const uses = devices
    .filter((device) => device.type === 'c' && (!rights.listsHost || isAsked(device, rights.rules)))
    .flatMap((device) => {
      const functions = host.find(numbersOf(device), container)
      return functions === undefined ? [] : [{ device, functions }]
    })
  if (uses.length === 0) return { uses, passed: [] }
  const isPassed = (device: OciDevice) =>
    uses.some((use) => use.device === device) || (device.type === 'c' && host.isCommon(numbersOf(device)))
  return { uses, passed: devices.filter(isPassed) }
}

const isAsked = (device: OciDevice, rules: readonly DeviceRule[]): boolean =>
  !device.path.startsWith('/dev/vfio/') || isNamed(device, rules)

const numbersOf = ({ major = 0, minor = 0 }: OciDevice) => ({ major, minor })

/** The VMM's name for a device: `vfio-0000-1a-00-0`. */
const idOf = ({ address }: VfioFunction) => `vfio-${address.replaceAll(/[^0-9a-f]/g, '-')}`

/** Opens a device and its address space; the caller closes both. @throws KataError DEVICE_IN_USE, and those of opening. */
function open(one: VfioFunction, container: string, host: VfioHost): VfioAttachment & Disposable {
  const holder = host.holder(one)
  if (holder !== undefined) throw new KataError('DEVICE_IN_USE', { device: one.address, container, holder })
  const iommu = host.openIommu(container)
  try {
    const fd = host.open(one, container)
    const close = () => [fd, iommu].forEach(closeSync)
    return { id: idOf(one), name: one.address, fd, iommu, [Symbol.dispose]: close }
  } catch (error) {
    closeSync(iommu)
    throw error
  }
}

/** The devices of VFIO that a container got. */
export interface PassedVfio extends Pick<VfioUses, 'passed'> {
  /** In the words of the agent's protocol. */
  readonly devices: readonly Device[]
}

export interface ColdVfio extends Disposable {
  readonly devices: readonly VfioAttachment[]
  /** Explains a failed start of the machine, when these devices were the reason. */
  explain<T>(start: Promise<T>): Promise<T>
}

/** Opens the devices of the pod's first container, for a machine that starts with them (`cold_plug_vfio`). */
export async function coldVfio(
  { container, config }: { readonly container: VfioContainer; readonly config: Config },
  ledger: Ledger,
  host: VfioHost = thisHost,
): Promise<ColdVfio> {
  const { id } = container
  using opened = new DisposableStack()
  const devices: VfioAttachment[] = []
  if (config.hypervisor.coldPlugVfio !== 'no-port')
    for (const one of vfioUses(container, host).uses.flatMap(({ functions }) => functions)) {
      const taken = { id: idOf(one), name: one.address }
      const device = await ledger.take(vfioResource, taken, () => opened.use(open(one, id, host)))
      devices.push(device)
    }
  const kept = opened.move()
  return {
    devices,
    explain: (start) =>
      start.catch((error) => {
        throw explainBind(error, devices, id)
      }),
    [Symbol.dispose]: () => kept.dispose(),
  }
}

export interface VfioDevicesOptions {
  /** Absent when the VMM cannot pass devices through. */
  readonly vmm: PassThrough | undefined
  readonly ledger: Ledger
  readonly hypervisor: Config['hypervisor']
  readonly host?: VfioHost
}

/** The devices of one machine. Each is unplugged with the last container that uses it. */
export class VfioDevices {
  readonly #options: VfioDevicesOptions
  readonly #host: VfioHost
  /** Containers by the device's id. */
  readonly #users = new Map<string, Set<string>>()
  /** Those whose removal has begun and not succeeded yet: the guest may let go of them at any time, so nobody else gets them. */
  readonly #leaving = new Set<string>()
  /** One change at a time: a container may want a device that another one is leaving. */
  readonly #alone = serially()
  /** Containers that have or had devices: the others wait for no change. */
  readonly #known = new Set<string>()
  readonly #plugs = { begun: 0, ended: 0 }

  constructor(options: VfioDevicesOptions) {
    this.#options = options
    this.#host = options.host ?? thisHost
  }

  /** How often plugging held up the machine, for health.ts. */
  get heldUp(): { readonly times: number; readonly now: boolean } {
    const { begun, ended } = this.#plugs
    return { times: begun, now: begun > ended }
  }

  /**
   * Plugs in what the spec asks for, and returns where the agent finds it. A device whose removal failed is taken out first. When it
   * throws, the caller still has to call {@link detach}.
   *
   * @throws KataError VFIO_*, DEVICE_*, and those of the VMM.
   */
  async attach(container: VfioContainer): Promise<PassedVfio> {
    const { uses, passed } = vfioUses(container, this.#host)
    if (uses.length === 0) return { devices: [], passed }
    this.#known.add(container.id)
    return this.#alone(async () => {
      const devices: Device[] = []
      for (const { device, functions } of uses) {
        const places: string[] = []
        for (const one of functions) places.push(`${one.address}=${await this.#need(one, container.id)}`)
        const id = functions.map(idOf).join(',')
        devices.push({ id, type: 'vfio-pci-gk', vmPath: '', containerPath: device.path, options: places })
      }
      return { devices, passed }
    })
  }

  /**
   * Unplugs the devices that only this container used.
   *
   * @throws the first failure, such as KataError VMM_UNPLUG_REFUSED; the others are unplugged nevertheless.
   */
  async detach(container: string): Promise<void> {
    if (!this.#known.has(container)) return
    await this.#alone(async () => {
      const used = [...this.#users].filter(([, users]) => users.has(container))
      await everyStep(
        used.map(
          ([id, users]) =>
            () =>
              this.#leave(id, users, container),
        ),
      )
      this.#known.delete(container)
    })
  }

  /** When it throws, the container stays a user of the device, so that another removal tries again. */
  async #leave(id: string, users: Set<string>, container: string): Promise<void> {
    if (users.size === 1) await this.#unplug(id)
    users.delete(container)
  }

  async #unplug(id: string): Promise<void> {
    const { vmm, ledger } = this.#options
    this.#leaving.add(id)
    await vmm!.unplug(id)
    await ledger.release(vfioResource, (taken) => taken.id === id)
    this.#leaving.delete(id)
    this.#users.delete(id)
  }

  /** A VMM does nothing for its guest while it maps the guest's memory. */
  async #holdingUp<T>(plug: () => Promise<T>): Promise<T> {
    this.#plugs.begun++
    try {
      return await plug()
    } finally {
      this.#plugs.ended++
    }
  }

  /** Where the guest finds it. */
  async #need(one: VfioFunction, container: string): Promise<string> {
    const { vmm, ledger, hypervisor } = this.#options
    const { address } = one
    if (vmm === undefined)
      throw new KataError('VMM_NO_VFIO', {
        device: address,
        container,
        vmm: nameOf(hypervisor.driver),
        possible: tablesWith('hotPlugVfio'),
      })
    const id = idOf(one)
    if (this.#leaving.has(id)) await this.#unplug(id)
    const there = vmm.pathOf(id)
    const users = this.#users.get(id)
    users?.add(container)
    if (there !== undefined) return there
    if (hypervisor.hotPlugVfio === 'no-port')
      throw new KataError('VFIO_DISABLED', { device: address, container })
    using device = open(one, container, this.#host)
    const path = await ledger.take(vfioResource, { id, name: address }, () =>
      this.#holdingUp(() => vmm.plug(device)).catch((error) => {
        throw explainBind(error, [device], container)
      }),
    )
    this.#users.set(id, new Set([container]))
    return path
  }
}
