/** Directories named by the digest of what they hold: made apart, then renamed into place, so that they are whole or absent. */

import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { removeTree } from '../linux/files/remove-tree.ts'
import { systemTool } from '../linux/processes/which.ts'
import { lastWords } from '../plain-text.ts'
import { isAbandoned, unfinishedName } from './unfinished.ts'

/**
 * Returns `<cache>/<name>`, after `make` has filled it if it does not exist. Two processes may do this at once: the
 * first to finish wins. What a failed or killed attempt left is removed.
 *
 * @throws what `make` throws.
 */
export async function cachedDirectory(
  cache: string,
  name: string,
  make: (directory: string) => Promise<void> | void,
): Promise<string> {
  const path = `${cache}/${name}`
  if (existsSync(path)) return path
  mkdirSync(cache, { recursive: true, mode: 0o700 })
  await removeAbandoned(cache)
  const temporary = `${cache}/${unfinishedName('making')}`
  try {
    mkdirSync(temporary, { mode: 0o755 })
    await make(temporary)
    await flush(temporary)
    moveIntoPlace(temporary, path)
  } finally {
    await removeTree(temporary)
  }
  return path
}

/** The name may only become visible once the content is on disk: a power cut must not leave empty files behind it. */
async function flush(directory: string): Promise<void> {
  const child = Bun.spawn([systemTool('sync'), '-f', directory], { stdio: ['ignore', 'ignore', 'pipe'] })
  const words = child.stderr.text()
  // A disk may be full, or broken, when it is written to at last; no other call reports that.
  if ((await child.exited) !== 0) throw new Error(`sync of ${directory}: ${lastWords(await words)}`)
}

function moveIntoPlace(temporary: string, path: string): void {
  try {
    renameSync(temporary, path)
  } catch (error) {
    // Another process finished first; its result has the same content.
    if (!existsSync(path)) throw error
  }
}

async function removeAbandoned(cache: string): Promise<void> {
  for (const name of readdirSync(cache)) if (isAbandoned(name)) await removeTree(`${cache}/${name}`)
}
