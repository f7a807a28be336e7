/** The devices that a machine really has, as vm.info tells. */
import { KataError } from '../../../errors.ts'
import { until } from '../../../time.ts'
import { asObject, asText, protocolError } from '../../monitor/answers.ts'

/** How long a guest may take to let go of a device, milliseconds. */
const unplugMs = 10_000
const pollMs = 20

type Info = () => Promise<unknown>

/** The slot on the root bus, from an address in the API's notation. The agent's protocol names devices by it. */
export function slotOf(bdf: unknown): string {
  const text = asText(bdf, 'bdf')
  const slot = /^[0-9a-f]{4}:00:([0-9a-f]{2})\.0$/.exec(text)?.[1]
  if (slot === undefined) throw protocolError(`an address ${JSON.stringify(text)}`)
  return slot
}

/**
 * Waits until guest and VMM have let go of a device whose removal was asked for.
 *
 * @throws KataError VMM_COMMAND_TIMEOUT.
 */
export async function deviceGone(info: Info, id: string): Promise<void> {
  const isGone = async () => !(await deviceNodes(info)).some(([name, node]) => isDevice(name, node, id))
  if (await until(isGone, { timeoutMs: unplugMs, everyMs: pollMs })) return
  const seconds = unplugMs / 1000
  throw new KataError('VMM_COMMAND_TIMEOUT', { command: `the removal of ${id}`, seconds })
}

/** Whether the machine is to have this disk. Once it was told to remove it, it is not, whatever its guest does. */
export async function wantsDisk(info: Info, id: string): Promise<boolean> {
  const { config } = asObject(await info(), 'the answer to vm.info')
  const { disks = [] } = asObject(config, 'config')
  if (!Array.isArray(disks)) throw protocolError('disks is not a list')
  return disks.some((disk) => asObject(disk, 'a disk').id === id)
}

async function deviceNodes(info: Info): Promise<[string, Record<string, unknown>][]> {
  const { device_tree: tree = {} } = asObject(await info(), 'the answer to vm.info')
  return Object.entries(asObject(tree, 'device_tree')).map(([name, node]) => [name, asObject(node, name)])
}

/** The device itself, or its place on the bus, whose child it is. */
function isDevice(name: string, { children }: Record<string, unknown>, id: string): boolean {
  return name === id || (Array.isArray(children) && children.includes(id))
}
