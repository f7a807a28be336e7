/** Compiles `NAME.c` of this folder into `directory`, as a static program that runs in any container. */
import { join } from 'node:path'

export function networkTool(name: 'tcp-syn' | 'udp-peer' | 'wireguard', directory: string): void {
  const source = join(import.meta.dir, `${name}.c`)
  const argv = ['gcc', '-O1', '-static', '-s', '-o', join(directory, name), source]
  const { exitCode, stderr } = Bun.spawnSync(argv, { env: { PATH: process.env.PATH ?? '' } })
  if (exitCode !== 0) throw new Error(`gcc: ${stderr}`)
}
