/** Who is on a network, by the files that the members' shims keep in one directory: a name server reads them at every question. */
import { readdirSync } from 'node:fs'
import { list, needed, record } from '../../json/compounds.ts'
import { readFile } from '../../json/document.ts'
import { text, uint32 } from '../../json/values.ts'
import { type ProcessRef, readProcessRef } from '../../linux/processes/proc.ts'

/** One container on a network. */
export interface Member {
  readonly address: string
  /** Absent on a host without IPv6. */
  readonly ipv6?: string | undefined
  /** In lower case, the container's own first. */
  readonly names: readonly string[]
  /** The shim, which holds the network's namespace open, and by which of its descriptors. */
  readonly holder: ProcessRef
  readonly fd: number
  /** The namespace's, `device:inode`. */
  readonly identity: string
}

const member = record<Member>({
  address: needed(text),
  ipv6: text,
  names: needed(list(text)),
  holder: needed(readProcessRef),
  fd: needed(uint32),
  identity: needed(text),
})

/** The members by the names of their files. A file that is being made, or goes meanwhile, is passed over. */
export function readMembers(directory: string): ReadonlyMap<string, Member> {
  return new Map(
    readdirSync(directory).flatMap((name) => {
      if (name.startsWith('.')) return []
      try {
        return [[name, readFile(member, `${directory}/${name}`)] as const]
      } catch {
        return []
      }
    }),
  )
}

const ownAddresses = ({ address, ipv6 }: Member): string[] => [address, ...(ipv6 === undefined ? [] : [ipv6])]

/** The addresses of the members with this name; undefined when there is none. */
export function addressesOf(members: ReadonlyMap<string, Member>, name: string): string[] | undefined {
  const found = [...members.values()].filter(({ names }) => names.includes(name))
  return found.length === 0 ? undefined : found.flatMap(ownAddresses)
}

/** The longest part of a name between its dots (RFC 1035, 2.3.4). A container's own name may be longer. */
const longestLabel = 63

/** The name of the one who has the address: the first that an answer can hold. */
export const nameOf = (members: ReadonlyMap<string, Member>, address: string): string | undefined =>
  [...members.values()]
    .find((one) => ownAddresses(one).includes(address))
    ?.names.find((name) => name.split('.').every((label) => label.length <= longestLabel))
