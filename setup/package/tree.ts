/** Contents as files. */
import { chmodSync, copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Content, Contents } from './contents.ts'

/** Makes the directory `tree` anew, with these files in it. */
export function writeTree(tree: string, contents: Contents): void {
  rmSync(tree, { recursive: true, force: true })
  mkdirSync(tree, { recursive: true, mode: 0o755 })
  chmodSync(tree, 0o755)
  for (const [path, content] of Object.entries(contents)) put(join(tree, path), content)
}

export function put(path: string, content: Content): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  if ('linkTo' in content) {
    symlinkSync(content.linkTo, path)
    return
  }
  if ('copyOf' in content) copyFileSync(content.copyOf, path)
  else writeFileSync(path, content.bytes)
  chmodSync(path, content.mode ?? 0o644)
}
