/** The Debian packages that set-up installed, and those of them that can go without taking anything else along. */
import { mkdtempSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { lastLine, runTool, type ToolContext } from '../../src/guest-image/child.ts'
import { aptOptions, parsePlan, simulate } from '../packages/apt-plan.ts'
import { settleRecord } from '../packages/install-packages.ts'
import { readRecord } from '../packages/installed-packages.ts'
import { presentPackages, systemPackages } from '../packages/system-packages.ts'
import type { Part } from './part.ts'

/** @throws SetupError when the record cannot be read; KataError IMAGE_TOOL_*. */
export async function ownPackages(root: string, record: string, tools: ToolContext): Promise<Part[]> {
  const installed = [...(await presentPackages(readRecord(record), tools))].sort()
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

/** As many as can be removed without anything else. */
async function withoutCollateral(candidates: readonly string[], tools: ToolContext): Promise<Choice> {
  const goes = [...(await unneeded(candidates, tools))]
  const stays = new Map<string, string>()
  // apt looks at all at once, and is cautious: the others are tried one by one, which also tells what they are needed by.
  for (const name of candidates.filter((name) => !goes.includes(name))) {
    const reason = await obstacle([...goes, name], tools)
    if (reason === undefined) goes.push(name)
    else stays.set(name, reason)
  }
  return { goes: goes.sort(), stays }
}

/** Those that apt would take for dependencies that nobody needs any more, if none but `names` had come as dependencies. */
async function unneeded(names: readonly string[], tools: ToolContext): Promise<readonly string[]> {
  if (names.length === 0) return []
  const scratch = mkdtempSync(join(tmpdir(), 'kata-ts-apt-'))
  const marks = ['-o', `Dir::State::extended_states=${scratch}/marks`] as const
  try {
    await runTool(['apt-mark', ...marks, 'auto', ...names], { ...tools, timeout: 60_000 })
    const strictly = ['Recommends', 'Suggests'].flatMap((kind) => [
      '-o',
      `APT::AutoRemove::${kind}Important=false`,
    ])
    const { code, stdout } = await simulate([...marks, ...strictly, 'autoremove'], tools)
    const { remove } = parsePlan(stdout)
    const found = remove.filter((name) => names.includes(name))
    // apt-get's word for what is then really asked of it.
    return code === 0 && found.length > 0 && (await obstacle(found, tools)) === undefined ? found : []
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

/** Why `names` cannot be removed: something else would go, or come, with them. */
async function obstacle(names: readonly string[], tools: ToolContext): Promise<string | undefined> {
  const { code, stdout, stderr } = await simulate(['remove', '-y', ...names], tools)
  if (code !== 0) return refusal(stderr)
  const { remove, install } = parsePlan(stdout)
  const others = remove.filter((name) => !names.includes(name))
  if (others.length > 0) return `needed by ${others.join(', ')}`
  return install.length > 0 ? `apt would install ${install.map(({ name }) => name).join(', ')}` : undefined
}

/** What apt-get says when it would have to remove a package without which a system does not work. */
function refusal(stderr: string): string {
  if (stderr.includes('E: Essential packages were removed')) return 'Debian counts it as essential'
  const needed = /^ +\d+\. (\S+?)(?::\S+)? (?:Pre)?Depends /m.exec(stderr)?.[1]
  return needed === undefined ? `apt refuses: ${lastLine(stderr)}` : `needed by ${needed}`
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

/** The record may have been all that was in the state directory. A link to another disk is a person's own. */
function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (!['ENOTEMPTY', 'EBUSY', 'ENOTDIR'].includes(code)) throw error
  }
}

async function apt(action: readonly string[], tools: ToolContext): Promise<void> {
  const argv = ['apt-get', ...aptOptions, ...action] as const
  const { code, stderr } = await runTool([...argv], { ...tools, timeout: 15 * 60_000 })
  if (code !== 0) throw new Error(`apt-get ${action[0]}: ${lastLine(stderr)}`)
}
