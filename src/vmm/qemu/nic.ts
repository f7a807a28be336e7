/** Network cards: their arguments at boot, and how one comes and goes while the machine runs. */
import { KataError } from '../../errors.ts'
import type { NicAttachment } from '../vmm.ts'
import { type RootPorts, rootPort } from './root-ports.ts'
import type { Unplugs } from './unplug.ts'

/** What a card's descriptor is for, and QEMU's name for it when it comes later: kind, card, queue. */
export type NicRole = `${'tap' | 'vhost'}-${string}-${number}`

const roles = (kind: 'tap' | 'vhost', id: string, fds: readonly number[]) =>
  fds.map((_, queue): NicRole => `${kind}-${id}-${queue}`)

/** The roles of a card's descriptors, and the descriptors. */
export function nicDescriptors({ id, taps, vhosts = [] }: NicAttachment): [NicRole, number][] {
  const descriptors = [...taps, ...vhosts]
  const names = [...roles('tap', id, taps), ...roles('vhost', id, vhosts)]
  return names.map((role, index) => [role, descriptors[index]!])
}

/** The two halves of a card, by QEMU's property names. `name` says what QEMU shall call a descriptor. */
function halves(nic: NicAttachment, name: (role: NicRole) => string) {
  const { id, mac, mtu, taps, vhosts = [] } = nic
  const tapNames = roles('tap', id, taps).map(name).join(':')
  const vhostNames = roles('vhost', id, vhosts).map(name).join(':')
  const many = taps.length > 1
  const netdev = {
    ...{ type: 'tap', id },
    ...(many ? { fds: tapNames } : { fd: tapNames }),
    ...(vhosts.length === 0
      ? {}
      : { vhost: true, ...(many ? { vhostfds: vhostNames } : { vhostfd: vhostNames }) }),
  }
  const device = {
    ...{ driver: 'virtio-net-pci', id, netdev: id, mac: checkedMac(mac) },
    // The guest cannot exceed it either, whatever its containers may do. And nothing boots from this card.
    ...{ host_mtu: checkedMtu(mtu), romfile: '' },
    // A pair of vectors for each queue, and two for configuration and control.
    ...(many ? { mq: true, vectors: 2 * taps.length + 2 } : {}),
  }
  return { netdev, device }
}

/** Arguments of a card that is there at boot; `fd` gives the number of a descriptor in QEMU. */
export function nicArgs(nic: NicAttachment, fd: (role: NicRole) => number): string[] {
  const { netdev, device } = halves(nic, (role) => String(fd(role)))
  const { type, ...backend } = netdev
  const { driver, ...frontend } = device
  return [
    '-netdev',
    [type, ...options(backend)].join(','),
    '-device',
    [driver, ...options(frontend), 'bus=pcie.0'].join(','),
  ]
}

function options(properties: Readonly<Record<string, string | number | boolean>>): string[] {
  return Object.entries(properties).map(([name, value]) => `${name}=${value === true ? 'on' : value}`)
}

type Execute = (command: string, args: object, fds?: readonly number[]) => Promise<unknown>

/** Cards that come and go while the machine runs, each on a root port of its own. */
export class HotNics {
  readonly #execute: Execute
  readonly #ports: RootPorts
  readonly #unplugs: Unplugs
  readonly #portOf = new Map<string, number>()

  constructor(execute: Execute, ports: RootPorts, unplugs: Unplugs) {
    this.#execute = execute
    this.#ports = ports
    this.#unplugs = unplugs
  }

  /** @throws KataError VMM_NO_FREE_PORT, VMM_COMMAND_FAILED; nothing of the card is left then. */
  async plug(nic: NicAttachment): Promise<void> {
    const { netdev, device } = halves(nic, (role) => role)
    const port = this.#ports.take(`network card ${nic.id}`)
    try {
      for (const [fdname, fd] of nicDescriptors(nic)) await this.#execute('getfd', { fdname }, [fd])
      await this.#execute('netdev_add', netdev)
      await this.#execute('device_add', { ...device, bus: rootPort(port) })
      this.#portOf.set(nic.id, port)
    } catch (error) {
      for (const [fdname] of nicDescriptors(nic)) await this.#execute('closefd', { fdname }).catch(() => {})
      await this.#execute('netdev_del', { id: nic.id }).catch(() => {})
      this.#ports.free(port)
      throw error
    }
  }

  /** @throws KataError VMM_UNPLUG_REFUSED; VMM_OPTION_INVALID for a card that was there at boot. */
  async unplug(id: string): Promise<void> {
    const port = this.#portOf.get(id)
    if (port === undefined)
      throw new KataError('VMM_OPTION_INVALID', { reason: `no card ${id} was plugged in` })
    await this.#unplugs.remove(id, `network card ${id}`)
    await this.#execute('netdev_del', { id })
    this.#portOf.delete(id)
    this.#ports.free(port)
  }
}

function checkedMac(mac: string): string {
  if (/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac)) return mac
  throw new KataError('VMM_OPTION_INVALID', { reason: `a network card's address is ${JSON.stringify(mac)}` })
}

/** RFC 791 asks for 68 at least; no Ethernet frame is longer than the other. */
function checkedMtu(mtu: number): number {
  if (Number.isSafeInteger(mtu) && mtu >= 68 && mtu <= 65_535) return mtu
  throw new KataError('VMM_OPTION_INVALID', { reason: `a network card's MTU is ${mtu}` })
}
