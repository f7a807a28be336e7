/**
 * Kernel modules for a guest that no directory is shared with: a file with those that it needs is copied to where the whole archive would be.
 * Its kernel cannot ask for more, because the file answers to no alias.
 */
import type { AgentClient } from '../../agent/client.ts'
import { cutArchive } from '../../guest-image/modules/cut-archive.ts'
import { kataGuestSharedDir } from '../../sharing/host-share.ts'
import { moduleArchiveName } from '../../sharing/share-tree.ts'

const pieceBytes = 1024 * 1024

export interface ModuleBringer {
  /** Copies those of them that the image lists and that are not there. Others may be in the initrd. */
  bring(names: readonly string[]): Promise<void>
}

/** For a guest that has the archive, or a kernel that it would not fit. */
export const noBringer: ModuleBringer = { bring: async () => {} }

/** For a guest with the shared file system `share` and the image's file of modules, as far as it has them. */
export function bringerFor(
  agent: Pick<AgentClient, 'copyFile'>,
  { share, modules }: { readonly share: object | undefined; readonly modules: string | undefined },
): ModuleBringer {
  return share === undefined && modules !== undefined ? moduleBringer(agent, modules) : noBringer
}

/** @param archive the image's file of modules. */
export function moduleBringer(agent: Pick<AgentClient, 'copyFile'>, archive: string): ModuleBringer {
  const known = new Set<string>()
  let last: Promise<void> = Promise.resolve()
  const copy = async (names: readonly string[]) => {
    if (names.every((name) => known.has(name))) return
    const wanted = new Set([...known, ...names])
    const bytes = cutArchive(archive, [...wanted])
    if (bytes !== undefined) await copyWhole(agent, bytes)
    for (const name of names) known.add(name)
  }
  return {
    bring(names) {
      // One after the other: each copy replaces the last, and has what that had.
      const mine = last.then(() => copy(names))
      last = mine.catch(() => {})
      return mine
    },
  }
}

async function copyWhole(agent: Pick<AgentClient, 'copyFile'>, bytes: Uint8Array): Promise<void> {
  const facts = {
    path: `${kataGuestSharedDir}/${moduleArchiveName}`,
    fileMode: 0o100600,
    dirMode: 0o755,
    uid: 0,
    gid: 0,
  }
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
    const data = bytes.subarray(offset, offset + pieceBytes)
    await agent.copyFile({ ...facts, fileSize: BigInt(bytes.length), offset: BigInt(offset), data })
  }
}
