/**
 * Devices of the host that a privileged container asks for by name, and does not get. It has every device of its machine in their place, so it is
 * not refused as another container is. Clients send all devices of the host for it, which is no wish: nothing is told of those.
 */
import { hostDevices } from '../../oci/devices/char-devices.ts'
import { isNamed } from '../../oci/devices/device-rules.ts'
import { type VfioContainer, type VfioHost, vfioHost, vfioUses } from './vfio-devices.ts'

/** The longest list of names. */
const mostNames = 10

/**
 * A warning that names them; undefined without any.
 *
 * @throws what {@link vfioUses} throws.
 */
export function droppedDevices(container: VfioContainer, host: VfioHost = vfioHost()): string | undefined {
  const { id, spec, rights } = container
  if (!rights.every) return undefined
  const asked = hostDevices(spec.linux?.devices ?? []).filter(
    (device) => device.type !== 'b' && (!rights.listsHost || isNamed(device, rights.rules)),
  )
  if (asked.length === 0) return undefined
  const { passed } = vfioUses(container, host)
  const dropped = asked.filter((device) => !passed.includes(device))
  if (dropped.length === 0) return undefined
  const names = dropped
    .slice(0, mostNames)
    .map(({ path, type, major, minor }) => `${path} (${type} ${major}:${minor})`)
  const others = dropped.length > mostNames ? ` and ${dropped.length - mostNames} more` : ''
  return (
    `container ${id} does not get ${names.join(', ')}${others} of the host, but the devices of its machine: ` +
    'to hand over a whole PCI device, bind it to vfio-pci and ask for its /dev/vfio/GROUP'
  )
}
