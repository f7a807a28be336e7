/** What the runtime wrote down about a running sandbox, with the moment at which its clock of steps began. */
import { readFileSync, statSync } from 'node:fs'
import type { SandboxFacts } from '../../src/sandbox/records/facts.ts'
import { sandboxPaths } from '../../src/sandbox/records/paths.ts'

export type StartedFacts = SandboxFacts & {
  /** Milliseconds after 1970; `timings[].at` counts from here. */
  readonly startedAt: number
}

/**
 * The facts of a sandbox in the default namespace. Its state directory is the first thing that the shim makes for it,
 * right before the first step. One whose machine waited had it before: there the last step ends as the facts are written.
 *
 * @throws Error ENOENT when it is gone, or has not come up yet.
 */
export function readSandboxFacts(runDir: string, name: string): StartedFacts {
  const { facts, stateDir } = sandboxPaths(runDir, 'default', name)
  const content = JSON.parse(readFileSync(facts, 'utf8')) as SandboxFacts
  const last = Math.max(...content.timings.map(({ at, ms }) => at + ms))
  const startedAt =
    content.waited === undefined ? statSync(stateDir).birthtimeMs : statSync(facts).mtimeMs - last
  return { ...content, startedAt }
}
