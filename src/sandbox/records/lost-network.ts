/** Whether a container has lost the network that we made for it, for programs that only see the state directory of its sandbox. */
import { mayBeAlive } from '../../linux/processes/proc.ts'
import { readPostureRecords } from '../../rootless/posture/posture-record.ts'

/** False for one with another network, or none; and for one that is being ended. @throws KataError STATE_UNREADABLE. */
export const hasLostNetwork = (stateDir: string): boolean =>
  readPostureRecords(stateDir).some(({ name, ref }) => name === 'pasta' && !mayBeAlive(ref))
