/** Names of the containers on a network, both ways: which addresses a name has, and which name an address has. Pure. */
import { formatIp } from '../../netlink/ip.ts'
import { isIn } from '../egress/egress.ts'
import { addressRecord, nameRecord, type Query, recordType, responseCode, writeAnswer } from './message.ts'

export interface OwnNames {
  /** Addresses, of both families, of the containers with this name; undefined when there is none. */
  addresses(name: string): readonly string[] | undefined
  /** The name of the one who has the address. */
  name(address: string): string | undefined
  /** Networks of the containers, `10.89.0.1/24`: no server outside is asked about an address in them. */
  readonly networks: readonly string[]
}

/** Seconds that an answer is good for: a container may end, and another one have its name. */
const ttl = 5

/** The answer; undefined when the question is for others. */
export function answerOwn(query: Query, own: OwnNames, mostBytes: number): Buffer | undefined {
  const { type, name } = query
  const address = addressIn(name)
  if (address !== undefined && own.networks.some((network) => isIn(address, network))) {
    const holder = own.name(address)
    if (holder === undefined) return writeAnswer(query, responseCode.noSuchName)
    const records = type === recordType.ptr ? [nameRecord(holder, ttl)] : []
    return writeAnswer(query, responseCode.none, records, mostBytes)
  }
  const records = own.addresses(name)?.map((each) => addressRecord({ address: each, ttl }))
  if (records === undefined) return undefined
  return writeAnswer(
    query,
    responseCode.none,
    records.filter((record) => record.type === type),
    mostBytes,
  )
}

/** The address that a question about a name asks for: `2.0.89.10.in-addr.arpa`, or the 32 digits of IPv6 the wrong way round. */
export function addressIn(name: string): string | undefined {
  const [, ipv4] = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(name) ?? []
  if (ipv4 !== undefined) return ipv4.split('.').slice(0, 4).reverse().join('.')
  const [, ipv6] = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name) ?? []
  if (ipv6 === undefined) return undefined
  return formatIp(Buffer.from(ipv6.replaceAll('.', '').split('').reverse().join(''), 'hex'))
}
