/** Process 1 of a container that runs with --init, as in docker. */
import { chmodSync, writeFileSync } from 'node:fs'
import { cachedDirectory } from '../../images/content-cache.ts'
import { atPath } from '../../linux/files/named-write.ts'
import { embeddedContainerInit } from '../embedded.ts'

/** Docker's own path, because programs that look for an init know it. */
const destination = '/sbin/docker-init'

/** Additions to the container's specification. */
export interface ContainerInit {
  /** Words before the command. */
  readonly args: readonly string[]
  readonly mount: {
    readonly destination: string
    readonly type: string
    readonly source: string
    readonly options: string[]
  }
}

/** Writes the program below `stateDir`, once for each version. It stays there for containers that are restarted. */
export async function containerInit(stateDir: string): Promise<ContainerInit> {
  const bytes = await embeddedContainerInit()
  const digest = new Bun.CryptoHasher('sha256').update(bytes).digest('hex')
  const directory = await cachedDirectory(`${stateDir}/init`, digest, (path) => {
    atPath(stateDir, () => writeFileSync(`${path}/container-init`, bytes))
    chmodSync(`${path}/container-init`, 0o755)
  })
  return {
    args: [destination, '--'],
    mount: {
      destination,
      type: 'bind',
      source: `${directory}/container-init`,
      options: ['bind', 'rprivate', 'ro', 'nosuid', 'nodev'],
    },
  }
}
