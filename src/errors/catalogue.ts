/**
 * The catalogue itself, made from its parts. See ../errors.ts. Each part is a function: the texts are needed when an error is made, and a shim
 * without one does not hold them.
 */
import { agentErrors } from './agent.ts'
import { cgroupsErrors } from './cgroups.ts'
import { checkpointErrors } from './checkpoints.ts'
import { cliErrors } from './cli.ts'
import { configErrors } from './config.ts'
import { devicesErrors } from './devices.ts'
import type { CatalogueEntry } from './entry.ts'
import { generalErrors } from './general.ts'
import { guestImageErrors } from './guest-image.ts'
import { imagesErrors } from './images.ts'
import { networkErrors } from './network.ts'
import { rootlessErrors } from './rootless.ts'
import { sandboxErrors } from './sandbox.ts'
import { serviceErrors } from './service.ts'
import { sharingErrors } from './sharing.ts'
import { templateErrors } from './templates.ts'
import { vmmErrors } from './vmm.ts'

/** The parts in the order of `docs/errors.md`: common errors first, unexpected ones last. */
export const parts = (): readonly ErrorPart[] => [
  {
    title: 'Command line',
    about: 'Options and names, records of containers, and calls between `kata-ts` and the shims.',
    entries: cliErrors,
  },
  {
    title: 'Service',
    about: 'The service for users who are not root: what it refuses, and how it is reached.',
    entries: serviceErrors,
  },
  {
    title: 'Configuration',
    about: 'Configuration files, annotations of pods, and keys that the chosen VMM cannot support.',
    entries: configErrors,
  },
  {
    title: 'Guest image',
    about: 'Kernel, initrd and disk image of the guest: building, finding and checking them.',
    entries: guestImageErrors,
  },
  {
    title: 'Container images and shared files',
    about: 'Images and root file systems of containers, and the share with the guest.',
    entries: sharingErrors,
  },
  {
    title: 'Image store',
    about: 'Images of containers by name: the store, and pulling from registries.',
    entries: imagesErrors,
  },
  {
    title: 'Devices',
    about: 'Devices of the host that are given to the machine.',
    entries: devicesErrors,
  },
  { title: 'Network', about: 'The network of the pod.', entries: networkErrors },
  {
    title: 'Cgroups',
    about: 'The cgroups of the host that count and limit a sandbox.',
    entries: cgroupsErrors,
  },
  {
    title: 'VMM user and jail',
    about: 'The throw-away user of the VMM: ids, account, private directory, jail and posture.',
    entries: rootlessErrors,
  },
  {
    title: 'Virtual machine',
    about: 'The VMM, its accelerator and its machine: start, end, size and disks.',
    entries: vmmErrors,
  },
  {
    title: 'Machine templates',
    about: 'Machines that were saved to be cloned: their files.',
    entries: templateErrors,
  },
  {
    title: 'Saved machines',
    about: 'Machines of suspended containers, and snapshots.',
    entries: checkpointErrors,
  },
  {
    title: 'Containers and the guest agent',
    about: 'The agent in the guest, and requests of containers that cannot be met.',
    entries: agentErrors,
  },
  {
    title: 'Sandbox and shim',
    about: 'The life of a sandbox, its resources on the host, and calls of containerd.',
    entries: sandboxErrors,
  },
  { title: 'General', about: 'Errors of any part.', entries: generalErrors },
]

export interface ErrorPart {
  readonly title: string
  /** The subject of its codes, in a sentence. */
  readonly about: string
  readonly entries: () => Readonly<Record<string, CatalogueEntry>>
}

/** All entries by their codes. */
export const catalogue = () => ({
  ...generalErrors(),
  ...cgroupsErrors(),
  ...configErrors(),
  ...rootlessErrors(),
  ...vmmErrors(),
  ...templateErrors(),
  ...checkpointErrors(),
  ...guestImageErrors(),
  ...serviceErrors(),
  ...sharingErrors(),
  ...imagesErrors(),
  ...devicesErrors(),
  ...networkErrors(),
  ...agentErrors(),
  ...sandboxErrors(),
  ...cliErrors(),
})

/**
 * The parts in the order in which a lookup builds them: general ones first, because a failed system call may be an answer, for each file of
 * a tree; then those that a shim meets.
 */
const lookupOrder: readonly ErrorPart['entries'][] = [
  generalErrors,
  sandboxErrors,
  agentErrors,
  vmmErrors,
  networkErrors,
  cgroupsErrors,
  devicesErrors,
  sharingErrors,
  rootlessErrors,
  configErrors,
  checkpointErrors,
  templateErrors,
  guestImageErrors,
  imagesErrors,
  serviceErrors,
  cliErrors,
]

/** The entry of a code; undefined for a text that is no code. */
export function findEntry(code: string): CatalogueEntry | undefined {
  for (const part of lookupOrder) {
    const entries = part()
    if (Object.hasOwn(entries, code)) return entries[code]
  }
  return undefined
}
