/** Devices of the host that the guest drives itself, as a VMM takes them: opened and checked by us, by VFIO and iommufd. */

export interface VfioAttachment {
  /** Unique in the machine; letters, digits and `-`. */
  readonly id: string
  /** For people: its PCI address on the host. */
  readonly name: string
  /** Of its own character device. The caller closes its copy. */
  readonly fd: number
  /** Of /dev/iommu; devices of one machine share an address space, so the first one's counts. The caller closes its copy. */
  readonly iommu: number
}

/** What a VMM that can do it offers. */
export interface PassThrough {
  /**
   * Plugs one into a running machine and resolves with where the guest finds it, in Kata's form (`0f/00`). Whole or not at
   * all.
   *
   * @throws KataError VMM_NO_FREE_PORT, VMM_COMMAND_FAILED.
   */
  plug(device: VfioAttachment): Promise<string>
  /** Takes one out and waits until the guest has let go of it; nothing for one that is not there. @throws KataError VMM_UNPLUG_REFUSED. */
  unplug(id: string): Promise<void>
  /** Where the guest finds one that is plugged in, for instance one of `VmSpec.vfio`. */
  pathOf(id: string): string | undefined
}
