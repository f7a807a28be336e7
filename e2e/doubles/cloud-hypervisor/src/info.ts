/** What vm.info tells. */
import type { Machine } from './machine.ts'
import type { VmConfig } from './vm-config.ts'

/** `machine` is absent until the boot. */
export function vmInfo(config: VmConfig, machine: Machine | undefined, paused: boolean) {
  const state = machine === undefined ? 'Created' : paused ? 'Paused' : 'Running'
  const { vsock, memory } = config
  const named =
    machine === undefined || vsock === undefined ? config : { ...config, vsock: { id: vsockId, ...vsock } }
  return {
    ...{ config: named, state, memory_actual_size: memory.size },
    ...(machine && { device_tree: deviceTree(machine, vsock !== undefined) }),
  }
}

const vsockId = '_vsock0'

/** A device, and its place on the bus, whose child it is. */
function deviceTree(machine: Machine, hasVsock: boolean) {
  const placed: [string, string | undefined][] = machine.devices.map((id) => [id, machine.bdf(id)])
  placed.push(['__rng', machine.placeOfRng])
  // It has no place here: the guest underneath has a serial port in its stead.
  if (hasVsock) placed.push([vsockId, undefined])
  const nodes = placed.flatMap(([id, pci_bdf]) => {
    const parent = `_virtio-pci-${id}`
    return [
      [parent, { id: parent, resources: [], children: [id], ...(pci_bdf && { pci_bdf }) }],
      [id, { id, resources: [], parent, children: [] }],
    ]
  })
  return Object.fromEntries([...nodes, ['__ioapic', { id: '__ioapic', resources: [], children: [] }]])
}
