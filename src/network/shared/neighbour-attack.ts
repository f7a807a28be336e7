/** For tests: words of neighbour discovery (RFC 4861) as bytes, which say what no kernel would. */
import { parseIp, parseMac } from '../../netlink/ip.ts'
import { command } from '../testing.ts'

const [headerBytes, icmpv6, hopLimit] = [40, 58, 255]
const advertisement = 136
/** Solicited, and instead of what is known. */
const flags = 0x60
const targetLinkAddress = 2

export interface Claim {
  /** Who has it, and at which hardware address. */
  readonly target: string
  readonly at: string
  readonly from: { readonly address: string; readonly mac: string }
  readonly to: { readonly address: string; readonly mac: string }
}

/** An Ethernet frame with a neighbour advertisement. Pure. */
export function claimFrame({ target, at, from, to }: Claim): Buffer {
  const body = Buffer.concat([
    Buffer.of(advertisement, 0, 0, 0, flags, 0, 0, 0),
    parseIp(target)!,
    Buffer.of(targetLinkAddress, 1),
    parseMac(at)!,
  ])
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

/** Sends a frame by the card eth0 in the namespace of `pid`, as root of that namespace can. */
export function sendFrame(pid: number, frame: Buffer): void {
  const [, index] = /^(\d+):/.exec(inside(pid, 'ip', '-o', 'link', 'show', 'eth0')) ?? []
  const program = `const { dlopen, ptr } = require('bun:ffi')
const { symbols } = dlopen('libc.so.6', {
  socket: { args: ['int', 'int', 'int'], returns: 'int' },
  sendto: { args: ['int', 'ptr', 'usize', 'int', 'ptr', 'int'], returns: 'isize' },
})
const frame = Buffer.from('${frame.toString('hex')}', 'hex'), place = Buffer.alloc(20)
place.writeUInt16LE(17, 0); place.writeUInt16BE(0x86dd, 2); place.writeInt32LE(${index}, 4)
const sent = symbols.sendto(symbols.socket(17, 3, 0), ptr(frame), frame.length, 0, ptr(place), place.length)
process.exit(Number(sent) === frame.length ? 0 : 1)`
  inside(pid, process.execPath, '-e', program)
}

/** The hardware address that the namespace of `pid` knows for a neighbour. */
export const known = (pid: number, address: string): string | undefined =>
  /lladdr (\S+)/.exec(inside(pid, 'ip', '-6', 'neigh', 'show', address, 'dev', 'eth0'))?.[1]

const inside = (pid: number, ...argv: string[]): string =>
  command('nsenter', `--net=/proc/${pid}/ns/net`, '--', ...argv)
