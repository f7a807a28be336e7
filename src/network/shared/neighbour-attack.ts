/** For tests: words of ARP and of neighbour discovery (RFC 4861) as bytes, which say what no kernel would. */
import { parseIp, parseMac } from '../../netlink/ip.ts'
import { command } from '../testing.ts'
import { gatewayLinks } from '../uplink/addresses.ts'

const [headerBytes, icmpv6, hopLimit] = [40, 58, 255]
const [solicitation, advertisement] = [135, 136]
/** Solicited, and instead of what is known. */
const flags = 0x60
const [sourceLinkAddress, targetLinkAddress] = [1, 2]

export interface Claim {
  /** Who has it, and at which hardware address. */
  readonly target: string
  readonly at: string
  readonly from: End
  readonly to: End
}

/** An Ethernet frame with a neighbour advertisement. Pure. */
export function claimFrame({ target, at, from, to }: Claim): Buffer {
  const head = Buffer.of(advertisement, 0, 0, 0, flags, 0, 0, 0)
  const body = Buffer.concat([head, parseIp(target)!, Buffer.of(targetLinkAddress, 1), parseMac(at)!])
  return discoveryFrame(body, from, to)
}

interface End {
  readonly address: string
  readonly mac: string
}

/** Asks `to` by ARP, or by neighbour discovery, for its hardware address: who asks is remembered, too. Pure. */
export function questionFrame(from: End, to: End): Buffer {
  const [sender, target] = [parseIp(from.address)!, parseIp(to.address)!]
  const mac = parseMac(from.mac)!
  if (target.length === 16) {
    const head = Buffer.of(solicitation, 0, 0, 0, 0, 0, 0, 0)
    return discoveryFrame(Buffer.concat([head, target, Buffer.of(sourceLinkAddress, 1), mac]), from, to)
  }
  const request = Buffer.of(8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
  return Buffer.concat([parseMac(to.mac)!, mac, request, mac, sender, Buffer.alloc(6), target])
}

function discoveryFrame(body: Buffer, from: End, to: End): Buffer {
  const addresses = Buffer.concat([parseIp(from.address)!, parseIp(to.address)!])
  const pseudo = Buffer.concat([addresses, Buffer.of(0, 0, 0, body.length, 0, 0, 0, icmpv6)])
  body.writeUInt16BE(checksum(Buffer.concat([pseudo, body])), 2)
  const header = Buffer.concat([Buffer.of(0x60, 0, 0, 0, 0, body.length, icmpv6, hopLimit), addresses])
  if (header.length !== headerBytes) throw new Error('an address is none of IPv6')
  return Buffer.concat([parseMac(to.mac)!, parseMac(from.mac)!, Buffer.of(0x86, 0xdd), header, body])
}

function checksum(bytes: Buffer): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

/** Sends frames by the card eth0 in the namespace of `pid`, as root of that namespace can. */
export function sendFrames(pid: number, ...frames: readonly Buffer[]): void {
  const [, index] = /^(\d+):/.exec(inside(pid, 'ip', '-o', 'link', 'show', 'eth0')) ?? []
  const program = `const { dlopen, ptr } = require('bun:ffi')
const { symbols } = dlopen('libc.so.6', {
  socket: { args: ['int', 'int', 'int'], returns: 'int' },
  sendto: { args: ['int', 'ptr', 'usize', 'int', 'ptr', 'int'], returns: 'isize' },
})
const place = Buffer.alloc(20), socket = symbols.socket(17, 3, 0)
place.writeUInt16LE(17, 0); place.writeUInt16BE(0x86dd, 2); place.writeInt32LE(${index}, 4)
for (const text of ${JSON.stringify(frames.map((frame) => frame.toString('hex')))}) {
  const frame = Buffer.from(text, 'hex')
  if (Number(symbols.sendto(socket, ptr(frame), frame.length, 0, ptr(place), place.length)) !== frame.length) process.exit(1)
}`
  inside(pid, process.execPath, '-e', program)
}

/** The hardware address that the namespace of `pid` knows for a neighbour. */
export const known = (pid: number, address: string): string | undefined =>
  /lladdr (\S+)/.exec(inside(pid, 'ip', '-6', 'neigh', 'show', address, 'dev', 'eth0'))?.[1]

/**
 * The addresses that the gateway at `pid` remembers of its link to the container, but for the container's own, which end like
 * `own`; one that has not answered, too.
 */
export const remembered = (pid: number, ...own: readonly string[]): string[] =>
  inside(pid, 'ip', 'neigh', 'show', 'dev', gatewayLinks.down)
    .split('\n')
    .flatMap((line) => line.split(' ')[0] || [])
    .filter((address) => !own.some((end) => address.endsWith(end)))

/** The hardware addresses that the bridge of the gateway at `pid` has learned. */
export const learned = (pid: number): string[] =>
  inside(pid, 'bridge', 'fdb', 'show', 'br', gatewayLinks.down, 'dynamic')
    .split('\n')
    .flatMap((line) => line.split(' ')[0] || [])

/** The hardware address of a link in the namespace of `pid`. */
export const macAt = (pid: number, link: string): string =>
  /ether (\S+)/.exec(inside(pid, 'ip', '-o', 'link', 'show', link))![1]!

const inside = (pid: number, ...argv: string[]): string =>
  command('nsenter', `--net=/proc/${pid}/ns/net`, '--', ...argv)
