/** What a machine without PCI has room for. Throws an Error with the real program's words for more than that. */

/** Interrupts for devices; two of them are taken by VMGenID and VMClock. */
const interrupts = 19
/** Bytes of the kernel's command line, with its closing zero. */
const commandLineBytes = 2048

export function requireRoom(devices: number, bootArgs: string): void {
  if (devices > interrupts) throw new Error('Could not allocate GSI')
  if (devices + 1 > interrupts) throw new Error('VMGenID: Could not allocate GSI')
  if (devices + 2 > interrupts) throw new Error('VMClock: Could not allocate GSI')
  const added = Array.from({ length: devices }, (_, index) => {
    const address = (0xd000_0000 + (index + 1) * 0x1000).toString(16)
    return ` virtio_mmio.device=4K@0x${address}:${5 + index}`
  })
  if (`${bootArgs} pci=off${added.join('')}`.length >= commandLineBytes)
    throw new Error('Inserting string would make command line too long')
}
