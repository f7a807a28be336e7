/** Users for one run each of a program that reads what strangers made. */
import { processesOfUids } from '../../linux/processes/uid-processes.ts'

/** They are behind all that https://systemd.io/UIDS-GIDS/ assigns, and behind the last id of any sandbox (uid-range.ts). */
const [firstUid, lastUid] = [0x7fff0000, 0x7ffffffd]

/** A uid that no process has. */
export function throwAwayUid(): number {
  for (;;) {
    const [random = 0] = crypto.getRandomValues(new Uint32Array(1))
    const uid = firstUid + (random % (lastUid - firstUid))
    if (processesOfUids(uid, uid).length === 0) return uid
  }
}
