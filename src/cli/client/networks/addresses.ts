/** Which addresses a network and its containers get. Pure. */
import { addressAt, indexOf, overlaps, type Subnet, sizeOf, subnetAt } from '../../parse/subnet.ts'

/** Networks without a chosen subnet get a /24 of 10.89.0.0/16. */
const [firstSubnet, subnetBits, mostSubnets] = [0x0a59_0000, 24, 256]

/** Undefined when all of them are taken. */
export function freeSubnet(taken: readonly Subnet[]): Subnet | undefined {
  for (let index = 0; index < mostSubnets; index++) {
    const subnet = subnetAt(firstSubnet + index * 2 ** (32 - subnetBits), subnetBits)
    if (!taken.some((other) => overlaps(other, subnet))) return subnet
  }
  return undefined
}

/** The first address is the gateway's, the very first and the last one name the network and all of its hosts. */
export const gatewayOf = (subnet: Subnet): string => addressAt(subnet, 1)

/** Whether a container may have it. */
export function isForContainers(subnet: Subnet, address: string): boolean {
  const index = indexOf(subnet, address)
  return index !== undefined && index > 1 && index < sizeOf(subnet) - 1
}

/** The first candidate whose `needs` are all free; undefined when there is none. */
export function freeAddress(
  subnet: Subnet,
  taken: ReadonlySet<string>,
  needs: (address: string) => readonly string[] = (address) => [address],
): string | undefined {
  for (let index = 2; index < sizeOf(subnet) - 1; index++) {
    const address = addressAt(subnet, index)
    if (!needs(address).some((each) => taken.has(each))) return address
  }
  return undefined
}

/** A locally administered hardware address, unique wherever the IPv4 address is; as docker makes it. */
export const macOf = (address: string): string =>
  ['02', '42', ...address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'))].join(':')
