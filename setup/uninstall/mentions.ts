/** Configuration of others that names kata-ts. It is not ours to edit: a person is told which lines. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Part } from './part.ts'

const files = ['/etc/containerd/config.toml', '/etc/docker/daemon.json', '/etc/crio/crio.conf']
/** containerd 2 reads every file there that its main file imports, CRI-O every file. */
const directories = ['/etc/containerd/conf.d', '/etc/crio/crio.conf.d']

export function mentions(root: string): Part[] {
  const dropIns = directories
    .filter((path) => existsSync(root + path))
    .flatMap((path) => readdirSync(root + path).map((name) => join(path, name)))
  return [...files, ...dropIns].flatMap((path) => {
    // Neither a directory nor a link to nothing, which their daemons do not read.
    if (statSync(root + path, { throwIfNoEntry: false })?.isFile() !== true) return []
    const lines = linesWith(readFileSync(root + path, 'utf8'), 'kata-ts')
    if (lines === '') return []
    return [{ what: path, stays: `it names kata-ts in line ${lines}: take that out and restart its daemon` }]
  })
}

/** Numbers of the lines that hold `word`: `3, 5 to 7`. */
export function linesWith(text: string, word: string): string {
  const runs: [number, number][] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (!line.includes(word)) continue
    const last = runs.at(-1)
    if (last?.[1] === index) last[1] = index + 1
    else runs.push([index + 1, index + 1])
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from} to ${to}`)).join(', ')
}
