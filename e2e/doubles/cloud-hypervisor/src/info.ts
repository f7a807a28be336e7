/** What vm.info tells. */
import type { Machine } from './machine.ts'
import { type VmConfig, vsockId } from './vm-config.ts'

/** `machine` is absent until the boot. */
export function vmInfo(config: VmConfig, machine: Machine | undefined, paused: boolean) {
  const state = machine === undefined ? 'Created' : paused ? 'Paused' : 'Running'
  return {
    config,
    state,
    memory_actual_size: config.memory.size,
    ...(machine && { device_tree: deviceTree(machine, config.vsock !== undefined) }),
  }
}

/** A device, and its place on the bus, whose child it is. */
function deviceTree(machine: Machine, hasVsock: boolean) {
  const placed = machine.devices.map((id) => [id, machine.bdf(id)] as const)
  placed.push(['__rng', machine.placeOfRng])
  if (hasVsock) placed.push([vsockId, machine.placeOfVsock])
  const nodes = placed.flatMap(([id, pci_bdf]) => {
    const parent = `_virtio-pci-${id}`
    return [
      [parent, { id: parent, resources: [], children: [id], pci_bdf }],
      [id, { id, resources: [], parent, children: [] }],
    ]
  })
  return Object.fromEntries([...nodes, ['__ioapic', { id: '__ioapic', resources: [], children: [] }]])
}
