/**
 * Whether the guest drives the devices that it was given. Kata's agent protocol has no field for that, so our agent
 * has a metric for it. An agent without the metric causes no warning.
 */
import { readFileSync } from 'node:fs'
import type { AgentClient } from '../../agent/client.ts'
import type { Logger } from '../../log.ts'
import type { Device } from '../../protocol/generated/agent.ts'

/** One line of the metric. Guests may be hostile: a line of another form is ignored. */
const sample =
  /^kata_agent_passed_device\{device="([0-9a-f:.]+)",driver="([\w-]{0,32})",lacks="(driver|disk|interface)"\} 0$/gm

/** What the host's sysfs says of a PCI device. */
export type ReadSys = (path: string) => string | undefined

const readSys: ReadSys = (path) => {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}

/** A warning for each of these devices that a container will not find driven. */
export async function undrivenDevices(
  devices: readonly Device[],
  container: string,
  agent: Pick<AgentClient, 'getMetrics'>,
  log: Logger,
): Promise<string[]> {
  if (devices.length === 0) return []
  const addresses = new Set(devices.flatMap(({ options }) => options.map((option) => option.split('=')[0])))
  try {
    const { metrics } = await agent.getMetrics({})
    // A device counts once, however often the guest names it.
    return [...metrics.matchAll(sample)]
      .filter(([, address]) => addresses.delete(address))
      .map(([, address = '', driver = '', lacks = '']) => warningOf({ address, driver, lacks, container }))
  } catch (error) {
    log.warn('the guest does not say whether it drives its devices', {
      container,
      error,
    })
    return []
  }
}

/** Names the device as an administrator looks its driver up: vendor and device, and the alias that modules are found by. */
export function warningOf(
  {
    address,
    driver,
    lacks,
    container,
  }: Readonly<Record<'address' | 'driver' | 'lacks' | 'container', string>>,
  read: ReadSys = readSys,
): string {
  const about = (name: string) => read(`/sys/bus/pci/devices/${address}/${name}`) ?? 'unknown'
  const numbers = ['vendor', 'device'].map((name) => about(name).replace(/^0x/, '')).join(':')
  const state =
    lacks === 'driver'
      ? 'has no driver in the guest'
      : `has the driver ${driver} in the guest, but no ${lacks} came of it`
  return (
    `device ${address} (${numbers}, ${about('modalias')}) of container ${container} ${state}: ` +
    'name the module in kernel_modules, and use a guest image that has it'
  )
}
