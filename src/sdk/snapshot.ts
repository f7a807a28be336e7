import { type CommandWords, callToEnd } from './call.ts'

/** Everything that ran in a sandbox at one moment. It stays on the disk unless you dispose it, by `await using` or `remove()`. */
export interface Snapshot extends AsyncDisposable {
  readonly name: string
  /** Removes it; sandboxes that were made from it stay. Does nothing if it is gone already. */
  remove(): Promise<void>
}

export function snapshotNamed(words: CommandWords, name: string): Snapshot {
  const remove = async () => {
    await callToEnd(words, ['snapshot', 'rm', '--force', name])
  }
  return { name, remove, [Symbol.asyncDispose]: remove }
}
