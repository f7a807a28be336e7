/** The Debian packages that set-up installed, and those of them that can go without taking anything else along. */
import { readFileSync, rmdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { lastLine, runTool, type ToolContext } from '../../guest/image/child.ts'
import { aptOptions, parsePlan, simulate } from '../apt-plan.ts'
import { settleRecord } from '../install-packages.ts'
import { readRecord } from '../installed-packages.ts'
import { installedPackages, systemPackages } from '../system-packages.ts'
import type { Part } from './part.ts'

/** @throws SetupError when the record cannot be read; KataError IMAGE_TOOL_*. */
export async function ownPackages(root: string, record: string, tools: ToolContext): Promise<Part[]> {
  const installed = [...(await installedPackages(readRecord(record), tools))].sort()
  const claimed = await claimedSince(installed, tools)
  const candidates = installed.filter((name) => !claimed.has(name))
  const { goes, stays } = await withoutCollateral(candidates, tools)
  const changed = await changedConffiles(root, goes, tools)
  const parts: Part[] = [...claimed].map((name) => ({
    what: `package ${name}`,
    stays: 'apt was asked for it by name since set-up installed it',
  }))
  for (const [name, reason] of stays) parts.push({ what: `package ${name}`, stays: reason })
  if (goes.length > 0)
    parts.push({ what: packagesLine(goes), remove: () => removePackages(goes, changed, record, tools) })
  for (const [name, paths] of changed)
    parts.push({ what: paths.join(', '), stays: `configuration of ${name} that was changed here` })
  return parts
}

function packagesLine(names: readonly string[]): string {
  return `${names.length} Debian ${names.length === 1 ? 'package' : 'packages'}: ${names.join(' ')}`
}

/** Dependencies of ours that are marked as asked for now: apt does that when a person installs one by name. */
async function claimedSince(names: readonly string[], tools: ToolContext): Promise<ReadonlySet<string>> {
  const asked = new Set(Object.values(systemPackages).flatMap((packages) => Object.keys(packages)))
  const dependencies = names.filter((name) => !asked.has(name))
  if (dependencies.length === 0) return new Set()
  const argv = ['apt-mark', 'showmanual', ...dependencies] as const
  const { stdout } = await runTool([...argv], { ...tools, timeout: 60_000 })
  return new Set(stdout.split('\n').filter((name) => dependencies.includes(name)))
}

interface Choice {
  readonly goes: readonly string[]
  /** Package and why it stays. */
  readonly stays: ReadonlyMap<string, string>
}

/** Removes as many as possible: all at once if nothing else goes with them, else one after the other. */
async function withoutCollateral(candidates: readonly string[], tools: ToolContext): Promise<Choice> {
  if (candidates.length === 0) return { goes: [], stays: new Map() }
  if ((await obstacle(candidates, candidates, tools)) === undefined)
    return { goes: candidates, stays: new Map() }
  const stays = new Map<string, string>()
  const going = () => candidates.filter((name) => !stays.has(name))
  for (const name of candidates) {
    const reason = await obstacle([name], going(), tools)
    if (reason !== undefined) stays.set(name, reason)
  }
  // Each alone would do; together they may still be the last that fulfil a dependency of somebody's.
  const together = going().length === 0 ? undefined : await obstacle(going(), going(), tools)
  if (together !== undefined) for (const name of going()) stays.set(name, together)
  return { goes: going(), stays }
}

/** Why `names` cannot be removed: what is not in `ours` would go, or come, with them. */
async function obstacle(
  names: readonly string[],
  ours: readonly string[],
  tools: ToolContext,
): Promise<string | undefined> {
  const { code, stdout, stderr } = await simulate(['remove', '-y', ...names], tools)
  if (code !== 0) return `apt refuses: ${lastLine(stderr)}`
  const { remove, install } = parsePlan(stdout)
  const others = remove.filter((name) => !ours.includes(name))
  if (others.length > 0) return `needed by ${others.join(', ')}`
  return install.length > 0 ? `apt would install ${install.map(({ name }) => name).join(', ')}` : undefined
}

/** Configuration files that differ from those of their package, by package. */
async function changedConffiles(
  root: string,
  names: readonly string[],
  tools: ToolContext,
): Promise<ReadonlyMap<string, string[]>> {
  const changed = new Map<string, string[]>()
  if (names.length === 0) return changed
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholders
  const argv = ['dpkg-query', '-W', '-f', '${Package}\\n${Conffiles}\\n', ...names] as const
  const { stdout } = await runTool([...argv], { ...tools, timeout: 60_000 })
  let name = ''
  for (const line of stdout.split('\n')) {
    const [, path, sum] = /^ (\/.*) ([0-9a-f]{32})( obsolete)?$/.exec(line) ?? []
    if (path === undefined) name = line.trim() || name
    else if (isChanged(root + path, sum ?? '')) changed.set(name, [...(changed.get(name) ?? []), path])
  }
  return changed
}

/** A file that somebody removed has nothing that could be lost. */
function isChanged(path: string, sum: string): boolean {
  try {
    return new Bun.CryptoHasher('md5').update(readFileSync(path)).digest('hex') !== sum
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}

/** Their unchanged configuration goes with them. */
async function removePackages(
  names: readonly string[],
  changed: ReadonlyMap<string, unknown>,
  record: string,
  tools: ToolContext,
): Promise<void> {
  try {
    await apt(['remove', '-y', ...names], tools)
    const clean = names.filter((name) => !changed.has(name))
    if (clean.length > 0) await apt(['purge', '-y', ...clean], tools)
  } finally {
    await settleRecord(record, tools)
    removeIfEmpty(dirname(record))
  }
}

/** The record may have been all that was in the state directory. */
function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (!['ENOTEMPTY', 'EBUSY'].includes(code)) throw error
  }
}

async function apt(action: readonly string[], tools: ToolContext): Promise<void> {
  const argv = ['apt-get', ...aptOptions, ...action] as const
  const { code, stderr } = await runTool([...argv], { ...tools, timeout: 15 * 60_000 })
  if (code !== 0) throw new Error(`apt-get ${action[0]}: ${lastLine(stderr)}`)
}
