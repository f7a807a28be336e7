import { existsSync, readFileSync } from 'node:fs'
import { describeError } from '../../errors.ts'
import { plainJson } from '../../plain-text.ts'
import { readWarnings } from '../../sandbox/client-warnings.ts'
import { readFacts } from '../../sandbox/facts.ts'
import { sandboxPaths } from '../../sandbox/paths.ts'
import { isForeign, pathsOf, sandboxOf } from '../client/foreign.ts'
import { type ContainerRecord, recordPaths } from '../client/record.ts'
import { observe } from '../client/status.ts'
import type { Settings } from '../settings.ts'
import { findRecord } from './containers.ts'

export async function inspect(settings: Settings, names: readonly string[]): Promise<number> {
  const facts: unknown[] = []
  let exitCode = 0
  for (const name of names) {
    try {
      facts.push(await factsOf(settings, findRecord(settings, name)))
    } catch (error) {
      settings.tell(describeError(error))
      exitCode = 1
    }
  }
  settings.print(`${plainJson(facts, 2)}\n`)
  return exitCode
}

/** Record, live state, and what the shim has written about the sandbox while it lives. */
async function factsOf(settings: Settings, record: ContainerRecord): Promise<object> {
  const { status, exitCode = null, shimPid, vmmPid } = await observe(record)
  const paths = isForeign(record)
    ? pathsOf(settings, record)
    : recordPaths(settings.stateDir, record.namespace, record.id)
  const sandbox = sandboxPaths(settings.runDir, record.namespace, sandboxOf(record))
  const live = readFacts(sandbox.facts)
  const isLive = live !== undefined || shimPid !== undefined
  return {
    ...record,
    status,
    exitCode,
    paths,
    config: readJson(`${paths.bundle}/config.json`) ?? null,
    overrides: readJson(`${paths.bundle}/overrides.json`) ?? null,
    failure: readJson(`${paths.bundle}/failure.json`) ?? null,
    warnings: readWarnings(paths.bundle),
    sandbox: isLive ? { stateDir: sandbox.stateDir, shimPid, vmmPid, ...live } : null,
  }
}

/** A file that another process may remove or replace at any time. */
function readJson(path: string): object | undefined {
  try {
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as object) : undefined
  } catch {
    return undefined
  }
}
