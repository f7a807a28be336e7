/** A mark in the bundle of a container that ran out of memory: the Task service reports that by an event alone, which no client can ask for later. */
import { existsSync, writeFileSync } from 'node:fs'
import { bundleFile } from './files.ts'

const markIn = (bundle: string): string => bundleFile(bundle, 'oomKilled')

/** Notes that the kernel killed a process of this bundle's container because memory ran out. */
export function markOomKilled(bundle: string): void {
  writeFileSync(markIn(bundle), '', { mode: 0o600 })
}

export function wasOomKilled(bundle: string): boolean {
  return existsSync(markIn(bundle))
}
