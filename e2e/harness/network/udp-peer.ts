/** Compiles udp-peer.c into `directory`, as a static program that runs in any container. */
import { join } from 'node:path'

export function udpPeer(directory: string): void {
  const argv = [
    'gcc',
    '-O1',
    '-static',
    '-s',
    '-o',
    join(directory, 'udp-peer'),
    join(import.meta.dir, 'udp-peer.c'),
  ]
  const { exitCode, stderr } = Bun.spawnSync(argv, { env: { PATH: process.env.PATH ?? '' } })
  if (exitCode !== 0) throw new Error(`gcc: ${stderr}`)
}
