/** Hostile trees, for tests. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'

/** A tree of so many levels at `path`, as a guest makes it: short ones, each moved to the bottom of the next. */
export function makeDeepTree(path: string, depth: number): void {
  const levels = 1000
  for (let made = 0; made < depth; made += levels) {
    const bottom = `${path}-next${'/d'.repeat(levels)}`
    mkdirSync(bottom, { recursive: true })
    writeFileSync(`${bottom}/file`, '')
    if (made > 0) renameSync(path, `${bottom}/t`)
    renameSync(`${path}-next`, path)
  }
}
