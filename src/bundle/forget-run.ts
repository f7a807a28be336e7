/** What a run leaves in the bundle says nothing of the next one. */
import { rmSync } from 'node:fs'
import { type BundleFile, bundleFile } from './files.ts'

const ofOneRun: readonly BundleFile[] = [
  ...(['address', 'shimProcess', 'shimLog'] as const),
  ...(['actionFailure', 'failure', 'warnings', 'oomKilled'] as const),
]

/** Prepares the bundle of a container that has ended for another run. */
export function forgetRun(bundle: string): void {
  for (const file of ofOneRun) rmSync(bundleFile(bundle, file), { force: true })
}
