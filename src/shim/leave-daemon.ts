/** Leaves a daemon of the shim behind, with what it needs of rights and nothing else. */
import { checked, libc } from '../linux/libc.ts'
import { mount, mountFlags } from '../linux/mounts/mount.ts'
import { raiseDescriptorLimit } from '../linux/processes/descriptor-limit.ts'
import { takeShimScore } from '../rootless/jail/oom-score.ts'
import { dropRights } from '../rootless/shim-rights.ts'
import { mostDescriptors } from '../sharing/virtiofsd/command.ts'
import type { ShimFlags } from './flags.ts'
import { spawnSelf } from './self.ts'

const CLONE_NEWNS = 0x20000

/**
 * The daemon lives in its own mount namespace, a slave of the host's. Its mounts for the pod are invisible outside, and go away with
 * it, whatever kills it. It begins with the rights that its work takes, see ../rootless/shim-rights.ts. This process has no more of them
 * afterwards.
 */
export function leaveDaemon(
  action: 'serve' | 'serve-waiting',
  flags: ShimFlags,
  options: Parameters<typeof spawnSelf>[2],
): Bun.Subprocess {
  checked(libc.unshare(CLONE_NEWNS), 'unshare mount namespace')
  mount({ source: 'none', target: '/', flags: mountFlags.slave | mountFlags.rec })
  takeShimScore()
  raiseDescriptorLimit(mostDescriptors)
  dropRights()
  return spawnSelf(action, flags, options)
}
