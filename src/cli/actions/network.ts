import { KataError } from '../../errors.ts'
import { plainJson } from '../../plain-text.ts'
import { gatewayOf } from '../client/networks/addresses.ts'
import { removeNetwork } from '../client/networks/place.ts'
import { createNetwork, listNetworks, type NamedNetwork, readNetwork } from '../client/networks/store.ts'
import { type NetworkUse, networkUses } from '../client/networks/uses.ts'
import type { NetworkFlags } from '../commands/network.ts'
import { tellError } from '../explain.ts'
import { render } from '../output/format.ts'
import { table } from '../output/table.ts'
import { asMap, compileEach, compileRows } from '../output/template/rows.ts'
import { labelsText, parseLabels } from '../parse/labels.ts'
import { parseSubnet } from '../parse/subnet.ts'
import type { Settings } from '../settings.ts'
import { confirmed } from './confirm.ts'
import { forEachName } from './containers.ts'

interface ShownNetwork extends NamedNetwork {
  readonly namespace: string
  readonly gateway: string
  readonly containers: readonly NetworkUse[]
}

export async function create(
  settings: Settings,
  { internal, subnet, label = [] }: NetworkFlags,
  [name = '']: readonly string[],
): Promise<number> {
  await createNetwork(settings, name, {
    internal: internal === true,
    labels: parseLabels(label),
    subnet: subnet === undefined ? undefined : parseSubnet(subnet),
  })
  settings.print(settings.format === 'json' ? `${JSON.stringify({ name })}\n` : `${name}\n`)
  return 0
}

const networkTitles = {
  ID: 'NETWORK ID',
  Name: 'NAME',
  Driver: 'DRIVER',
  Scope: 'SCOPE',
  Internal: 'INTERNAL',
  CreatedAt: 'CREATED AT',
  Labels: 'LABELS',
}

/** A row of `docker network ls`. */
const networkRow = (network: ShownNetwork): Record<keyof typeof networkTitles, unknown> => {
  const { name, internal, createdAt, labels } = network
  const common = { ID: name, Name: name, Driver: 'bridge', Scope: 'local' }
  return { ...common, Internal: internal, CreatedAt: createdAt, Labels: labelsText(labels) }
}

export async function ls(settings: Settings, { quiet }: NetworkFlags): Promise<number> {
  const template =
    settings.template === undefined
      ? undefined
      : compileRows(settings.template, {
          titles: networkTitles,
          usual: '{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}',
        })
  const { found } = findAll(settings, listNetworks(settings))
  const rows = found.map(({ name, subnet, internal, containers }) => [
    ...[name, subnet, internal ? 'internal' : 'outside'],
    containers.map(({ container }) => container).join(',') || '-',
  ])
  settings.print(
    render(settings.format, found, () =>
      quiet
        ? found.map(({ name }) => `${name}\n`).join('')
        : (template?.(found.map(networkRow)) ?? table(['NAME', 'SUBNET', 'ACCESS', 'CONTAINERS'], rows)),
    ),
  )
  return 0
}

/** A network in docker's fields, for templates of `inspect`. */
const dockerNetwork = ({ name, createdAt, internal, subnet, gateway, labels, containers }: ShownNetwork) => ({
  ...{ Name: name, Id: name, Created: createdAt, Driver: 'bridge', Scope: 'local', Internal: internal },
  IPAM: { Driver: 'default', Config: [{ Subnet: subnet, Gateway: gateway }] },
  Containers: asMap(
    Object.fromEntries(
      containers.map(({ container, address, mac }) => [
        container,
        { Name: container, MacAddress: mac, IPv4Address: `${address}/${subnet.split('/')[1]}` },
      ]),
    ),
  ),
  Labels: asMap(labels),
})

export async function inspect(
  settings: Settings,
  _flags: NetworkFlags,
  names: readonly string[],
): Promise<number> {
  const template = settings.template === undefined ? undefined : compileEach(settings.template)
  const { found, all } = findAll(settings, names)
  settings.print(template ? found.map(dockerNetwork).map(template).join('') : `${plainJson(found, 2)}\n`)
  return all ? 0 : 1
}

export function rm(settings: Settings, { force }: NetworkFlags, names: readonly string[]): Promise<number> {
  return forEachName(settings, names, async (name) => {
    await removeNetwork(settings, name).catch((error) => {
      if (!(force && error instanceof KataError && error.code === 'NETWORK_NOT_FOUND')) throw error
    })
  })
}

export async function prune(settings: Settings, { force }: NetworkFlags): Promise<number> {
  const uses = networkUses(settings)
  const unused = listNetworks(settings).filter((name) => !uses.has(name))
  if (unused.length > 0 && force !== true && !(await confirmed('network prune', 'these networks', unused)))
    return 1
  return forEachName(settings, unused, (name) => removeNetwork(settings, name))
}

/** What cannot be read is told. */
function findAll(settings: Settings, names: readonly string[]): { found: ShownNetwork[]; all: boolean } {
  const uses = networkUses(settings)
  const found = names.flatMap((name) => {
    try {
      const network = readNetwork(settings, name)
      const gateway = gatewayOf(parseSubnet(network.subnet))
      const { namespace } = settings
      return [{ ...network, namespace, gateway, containers: uses.get(name) ?? [] }]
    } catch (error) {
      tellError(settings, error)
      return []
    }
  })
  return { found, all: found.length === names.length }
}
