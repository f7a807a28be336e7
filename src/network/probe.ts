/** Whether this host can make a pod's network: takes the real steps, in a namespace that is gone afterwards. */
import { closeSync } from 'node:fs'
import { inNewNetns } from '../linux/processes/netns.ts'
import { withClientHere } from './client.ts'
import { noLimits } from './limits.ts'
import { linkNamed } from './link-named.ts'
import { makeTap, redirect } from './redirect.ts'

/** @throws KataError NETWORK_TUN_MISSING, NETWORK_REDIRECT_FAILED, SyscallError EPERM. */
export function probeNetwork(): void {
  inNewNetns(() =>
    withClientHere((client) => {
      // In place of the interface that a network plugin makes.
      const [stand] = makeTap('probe', 1)
      try {
        const { index, name, mac } = linkNamed(client, 'probe')
        const pod = { index, name, mac, mtu: 1500, noArp: false, kind: 'tun', addresses: [] }
        const { taps } = redirect(client, pod, {
          queues: 1,
          localhost: true,
          nameServer: false,
          limits: noLimits,
        })
        for (const tap of taps) closeSync(tap)
      } finally {
        closeSync(stand!)
      }
    }),
  )
}
