/** Contents as files. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Content, Contents } from './contents.ts'

/** Makes the directory `tree` anew, with these files in it. */
export function writeTree(tree: string, contents: Contents): void {
  rmSync(tree, { recursive: true, force: true })
  makeDirectory(tree)
  for (const [path, content] of Object.entries(contents)) put(join(tree, path), content)
}

export function put(path: string, content: Content): void {
  makeDirectory(dirname(path))
  if ('linkTo' in content) {
    symlinkSync(content.linkTo, path)
    return
  }
  if ('copyOf' in content) copyFileSync(content.copyOf, path)
  else writeFileSync(path, content.bytes)
  chmodSync(path, content.mode ?? 0o644)
}

/** Everybody may read what is shipped, whatever the umask of whoever packs it. */
function makeDirectory(path: string): void {
  if (existsSync(path)) return
  makeDirectory(dirname(path))
  mkdirSync(path)
  chmodSync(path, 0o755)
}
