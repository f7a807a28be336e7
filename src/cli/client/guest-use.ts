/** Finds the users of a guest image. */
import { realpathSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import type { Logger } from '../../log.ts'
import { readFacts } from '../../sandbox/records/facts.ts'
import { listSandboxes } from '../../sandbox/records/gc.ts'

export interface GuestPlace {
  readonly cacheDir: string
  /** The directory of the image, in the cache. */
  readonly directory: string
}

/** Says, for people, that the next sandbox will boot the image, or which sandboxes did. Undefined if the image is unused. */
export function guestUse(
  { cacheDir, directory }: GuestPlace,
  runDir: string,
  log: Logger,
): string | undefined {
  if (realPath(`${cacheDir}/current`) === realPath(directory)) return 'the one that the next sandbox boots'
  const inside = `${resolve(directory)}${sep}`
  const users = listSandboxes(runDir, log).filter(({ paths }) => {
    const facts = readFacts(paths.facts)
    return facts?.kernel.startsWith(inside) || facts?.initrd.startsWith(inside)
  })
  if (users.length === 0) return undefined
  return `in use by ${users.map(({ namespace, id }) => `${namespace}/${id}`).join(', ')}`
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}
