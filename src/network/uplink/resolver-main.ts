/** The process of a container's name server: root in the gateway's user namespace, with no right but over that network. */

import type { AllowedHost } from '../../bundle/network.ts'
import { list, needed, record } from '../../json/compounds.ts'
import { readText } from '../../json/document.ts'
import { bool, positive, text } from '../../json/values.ts'
import { openingBy } from '../resolver/opening.ts'
import type { OwnNames } from '../resolver/own-names.ts'
import { startResolver } from '../resolver/resolver.ts'
import { addressesOf, nameOf, readMembers } from '../shared/members.ts'

export interface ResolverSettings {
  readonly nft: string
  readonly listen: string
  readonly upstream: string
  /** Absent: all names. */
  readonly allowed?: readonly AllowedHost[] | undefined
  /** Directory of the members of its network. */
  readonly members?: string | undefined
  /** That network's addresses, `10.89.0.1/24`. */
  readonly networks?: readonly string[] | undefined
  readonly ipv6: boolean
}

/** How long the host's name server may take, milliseconds: less than a client waits. */
const answerMs = 4000

const resolverSettings = record<ResolverSettings>({
  nft: needed(text),
  listen: needed(text),
  upstream: needed(text),
  allowed: list(record<AllowedHost>({ host: needed(text), port: positive })),
  members: text,
  networks: list(text),
  ipv6: needed(bool),
})

/** Serves until it is ended. `settings` is JSON. */
export async function resolverMain(settings: string): Promise<never> {
  const {
    nft,
    listen,
    upstream: address,
    allowed,
    members,
    networks = [],
    ipv6,
  } = readText(resolverSettings, settings)
  await startResolver({
    listen,
    port: 53,
    upstream: { address, port: 53, answerMs },
    allowed,
    ipv6,
    own: members === undefined ? undefined : namesIn(members, networks),
    open: openingBy((commands) => run(nft, commands)),
  })
  process.stdout.write('ready\n')
  return new Promise(() => {})
}

/** Members come and go: each question reads who they are. */
const namesIn = (members: string, networks: readonly string[]): OwnNames => ({
  addresses: (name) => addressesOf(readMembers(members), name),
  name: (address) => nameOf(readMembers(members), address),
  networks,
})

/** An address that could not be opened is not given to the container. */
async function run(nft: string, commands: string): Promise<void> {
  const child = Bun.spawn([nft, '-f', '-'], {
    stdin: new Blob([commands]),
    stdout: 'ignore',
    stderr: 'ignore',
    env: {},
    cwd: '/',
    timeout: 5000,
    killSignal: 'SIGKILL',
  } as const)
  if ((await child.exited) !== 0) throw new Error('nft refused')
}
