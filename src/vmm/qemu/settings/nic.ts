/** A network card in QEMU's terms: its arguments at boot, and the same as objects for one that comes later. */
import { KataError } from '../../../errors.ts'
import type { NicAttachment } from '../../vmm.ts'
import { optionList } from './option-list.ts'

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
export function nicHalves(nic: NicAttachment, name: (role: NicRole) => string) {
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

/** The host's half as arguments; `fd` gives the number of a descriptor in QEMU. */
export function nicBackend(nic: NicAttachment, fd: (role: NicRole) => number): string[] {
  const { type, ...options } = nicHalves(nic, (role) => String(fd(role))).netdev
  return ['-netdev', optionList(type, options)]
}

/** The guest's half. @throws KataError VMM_OPTION_INVALID. */
export const nicDevice = (nic: NicAttachment) => nicHalves(nic, (role) => role).device

function checkedMac(mac: string): string {
  if (/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac)) return mac
  throw new KataError('VMM_OPTION_INVALID', { reason: `a network card's address is ${JSON.stringify(mac)}` })
}

/** RFC 791 asks for 68 at least; no Ethernet frame is longer than the other. */
function checkedMtu(mtu: number): number {
  if (Number.isSafeInteger(mtu) && mtu >= 68 && mtu <= 65_535) return mtu
  throw new KataError('VMM_OPTION_INVALID', { reason: `a network card's MTU is ${mtu}` })
}
