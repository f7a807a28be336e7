/** The arguments of the Cloud Hypervisor program. */

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
