/** The catalogue itself, put together from its parts. See ../errors.ts. */
import { agentErrors } from './agent.ts'
import { cgroupsErrors } from './cgroups.ts'
import { cliErrors } from './cli.ts'
import { configErrors } from './config.ts'
import { devicesErrors } from './devices.ts'
import type { CatalogueEntry } from './entry.ts'
import { generalErrors } from './general.ts'
import { guestImageErrors } from './guest-image.ts'
import { networkErrors } from './network.ts'
import { rootlessErrors } from './rootless.ts'
import { sandboxErrors } from './sandbox.ts'
import { sharingErrors } from './sharing.ts'
import { vmmErrors } from './vmm.ts'

/** The parts in the order of `docs/errors.md`: from what a person meets first to what none should meet. */
export const parts: readonly ErrorPart[] = [
  {
    title: 'Command line',
    about: 'What a person typed, records of containers, and the talk between `kata-ts` and the shims.',
    entries: cliErrors,
  },
  {
    title: 'Configuration',
    about: 'Configuration files, annotations of pods, and what the chosen VMM cannot do of them.',
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
    title: 'Containers and the guest agent',
    about: 'The agent in the guest, and what a container asks for that it cannot have.',
    entries: agentErrors,
  },
  {
    title: 'Sandbox and shim',
    about: 'The life of a sandbox, what it holds on the host, and calls of containerd.',
    entries: sandboxErrors,
  },
  { title: 'General', about: 'What any part may meet.', entries: generalErrors },
]

export interface ErrorPart {
  readonly title: string
  /** A sentence on what its codes are about. */
  readonly about: string
  readonly entries: Readonly<Record<string, CatalogueEntry>>
}

export const catalogue = {
  ...generalErrors,
  ...cgroupsErrors,
  ...configErrors,
  ...rootlessErrors,
  ...vmmErrors,
  ...guestImageErrors,
  ...sharingErrors,
  ...devicesErrors,
  ...networkErrors,
  ...agentErrors,
  ...sandboxErrors,
  ...cliErrors,
} satisfies Record<string, CatalogueEntry>
