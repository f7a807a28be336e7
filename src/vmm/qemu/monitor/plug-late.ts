/** Plugs in what a clone's template has not. The host's halves are there since QEMU's start, by ../settings/command-line.ts. */
import type { MachineSpec } from '../../vmm.ts'
import { nicDevice } from '../settings/nic.ts'
import { type RootPorts, rootPort } from '../settings/root-ports.ts'
import { shareDevice, sharesOf } from '../settings/share.ts'

type Execute = (command: string, args: object) => Promise<unknown>

/** @throws KataError VMM_OPTION_INVALID, VMM_NO_FREE_PORT, VMM_COMMAND_FAILED: such a machine is of no use. */
export async function plugLate(
  execute: Execute,
  ports: RootPorts,
  spec: Pick<MachineSpec, 'share' | 'volumeShare' | 'nics'>,
): Promise<void> {
  const devices = [
    ...sharesOf(spec).map(([role, share]) => shareDevice(role, share)),
    ...(spec.nics ?? []).map(nicDevice),
  ]
  for (const device of devices) {
    const port = ports.take(`device ${device.id}`)
    await execute('device_add', { ...device, bus: rootPort(port) })
  }
}
