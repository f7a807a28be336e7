/** What the jail of a VMM shows of the system, written out; and recordings of real programs as they would be in the jail of today. */
import { realpathSync } from 'node:fs'
import type { MountPosture } from '../../../src/rootless/posture/posture.ts'
import type { RecordedProcess } from './recording.ts'

/** Mounts of the system's files: the program, what starts it, and the libraries. */
export const systemMounts = (program: string): MountPosture[] =>
  [
    ...['bash', 'env', 'setpriv', 'unshare'].map((name) => `/usr/bin/${name}`),
    ...['/usr/lib/x86_64-linux-gnu', realpathSync(program)],
  ].map((point) => ({ point, flags: ['nodev', 'nosuid', 'ro'] }))

export const byPoint = (a: MountPosture, b: MountPosture) => (a.point < b.point ? -1 : 1)

/** Cloud Hypervisor was recorded in a jail that showed all of /usr and had two filters, in the place of which there is one. */
export const inJailOfToday = (recorded: RecordedProcess, program: string): RecordedProcess => ({
  ...recorded,
  threads: recorded.threads.map(({ name, filters }) => ({ name, filters: filters - 1 })),
  mounts: [...recorded.mounts.filter(({ point }) => point !== '/usr'), ...systemMounts(program)].sort(
    byPoint,
  ),
})
