/** The Cloud Hypervisor program: what is needed of it, and its arguments. */
import type { ProgramNeeds } from '../program.ts'

export const clhNeeds: ProgramNeeds = {
  name: 'Cloud Hypervisor',
  install: 'cloud-hypervisor',
  // First without a use after free that a guest reaches by its disks (CVE-2026-45782). With AIO, which is all that the jail
  // lets it have, 51 knows no discard either. Since 51 it is told what a disk image is, instead of guessing it from bytes
  // that a guest may have written.
  minimum: { major: 52, minor: 0, micro: 0 },
}

/** What a handed-over descriptor is for, in descriptor order: the first is descriptor 3. */
export type FdRole = 'api' | 'events'
export const fdRoles: readonly FdRole[] = ['api', 'events']

/** Everything else is told over the API. Its log goes to stderr; seccomp is named although it is the default. */
export function clhArguments({ debug }: { debug: boolean }): string[] {
  const fd = (role: FdRole) => `fd=${3 + fdRoles.indexOf(role)}`
  return [
    ...['--api-socket', fd('api'), '--event-monitor', fd('events')],
    ...['--seccomp', 'true', ...(debug ? ['-v'] : [])],
  ]
}
