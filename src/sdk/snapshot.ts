import { type CommandWords, callToEnd } from './call.ts'

/** What ran in a sandbox at one moment. Dispose it, by `await using` or `remove()`, or it stays on the disk. */
export interface Snapshot extends AsyncDisposable {
  readonly name: string
  /** Removes it; sandboxes that have gone on from it stay. One that is gone already is no error. */
  remove(): Promise<void>
}

export function snapshotNamed(words: CommandWords, name: string): Snapshot {
  const remove = async () => {
    await callToEnd(words, ['snapshot', 'rm', '--force', name])
  }
  return { name, remove, [Symbol.asyncDispose]: remove }
}
