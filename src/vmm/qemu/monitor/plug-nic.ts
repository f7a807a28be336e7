/** Plugs a network card into a machine that runs. */
import type { NicAttachment } from '../../vmm.ts'
import { nicDescriptors, nicHalves } from '../settings/nic.ts'
import { type RootPorts, rootPort } from '../settings/root-ports.ts'

type Execute = (command: string, args: object, fds?: readonly number[]) => Promise<unknown>

/**
 * The card is on a root port of its own and stays until the machine ends.
 *
 * @throws KataError VMM_OPTION_INVALID, VMM_NO_FREE_PORT, VMM_COMMAND_FAILED; nothing of the card is left then.
 */
export async function plugNic(execute: Execute, ports: RootPorts, nic: NicAttachment): Promise<void> {
  const { netdev, device } = nicHalves(nic, (role) => role)
  const port = ports.take(`network card ${nic.id}`)
  try {
    for (const [fdname, fd] of nicDescriptors(nic)) await execute('getfd', { fdname }, [fd])
    await execute('netdev_add', netdev)
    await execute('device_add', { ...device, bus: rootPort(port) })
  } catch (error) {
    for (const [fdname] of nicDescriptors(nic)) await execute('closefd', { fdname }).catch(() => {})
    await execute('netdev_del', { id: nic.id }).catch(() => {})
    ports.free(port)
    throw error
  }
}
