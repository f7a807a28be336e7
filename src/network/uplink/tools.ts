/** Programs that a container's network needs besides those of every start. */
import { KataError } from '../../errors.ts'
import { findTool } from '../../linux/processes/which.ts'
import { jailShell } from '../../rootless/jail/jail-tools.ts'

const packages = {
  pasta: 'passt',
  nft: 'nftables',
  ip: 'iproute2',
  setpriv: 'util-linux',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  readlink: 'coreutils',
  sleep: 'coreutils',
  [jailShell]: 'dash',
  bash: 'bash',
  mount: 'mount',
  mknod: 'coreutils',
} as const

/** @throws KataError NETWORK_PROGRAM_MISSING. */
export function networkTool(name: keyof typeof packages): string {
  const path = findTool(name)
  if (path === undefined)
    throw new KataError('NETWORK_PROGRAM_MISSING', { program: name, package: packages[name] })
  return path
}
