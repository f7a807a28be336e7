/** A process that belongs to a sandbox: written down before it is started, ended and waited for when it is released. */
import { KataError } from '../errors.ts'
import type { ProcessRef } from '../linux/processes/proc.ts'
import { killAndWait } from '../linux/processes/signal.ts'
import type { ResourceKind } from './ledger.ts'

export interface ProcessData {
  /** What it is for, `vmm` for instance. */
  readonly name: string
  /** Missing while it is being started: it then dies with its parent, or with the cgroup of its sandbox. */
  readonly ref?: ProcessRef
}

/** SIGKILL and wait. @throws KataError PROCESS_STAYS when it will not go: its resources are not free then. */
export const processResource: ResourceKind<ProcessData> = {
  kind: 'process',
  async release({ name, ref }) {
    if (ref !== undefined && !(await killAndWait(ref)))
      throw new KataError('PROCESS_STAYS', { name, pid: ref.pid })
  },
}
