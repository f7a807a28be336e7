/** Installs Debian packages: says which before, writes down which, and takes none away. */
import { aptUpdate, downloadError } from '../../src/guest-image/apt.ts'
import { runTool, type ToolContext } from '../../src/guest-image/child.ts'
import type { Progress } from '../../src/guest-image/progress.ts'
import { wrap } from '../pages/text.ts'
import { type AptPlan, aptOptions, installArguments, type PackageVersion, planInstall } from './apt-plan.ts'
import { readRecord, writeRecord } from './installed-packages.ts'
import { type Purpose, presentPackages, systemPackages } from './system-packages.ts'

export interface InstallOptions {
  readonly progress: Progress
  /** Tells a person something. */
  readonly tell: (text: string) => void
  /** The record of what we installed. */
  readonly record: string
  readonly tools: ToolContext
}

/**
 * Installs `names` and what they depend on.
 *
 * @throws SetupError as planInstall; KataError IMAGE_PACKAGES_UNREACHABLE, IMAGE_DISK_FULL, IMAGE_TOOL_*.
 */
export async function installPackages(names: readonly string[], options: InstallOptions): Promise<void> {
  const { progress, tell, record, tools } = options
  let plan = await planInstall(names, tools)
  tell(announcement(names, plan, await sizes(plan, tools), record))
  progress.begin('Debian packages')
  try {
    // Written down first: what a crash leaves is then known, and what was not installed is taken out again.
    writeRecord(record, [...readRecord(record), ...plan.install.map(({ name }) => name)])
    let run = await install(names, progress, tools)
    if (run.code !== 0) {
      // Lists that are older than the archive are the usual reason; fetch them once.
      await aptUpdate(tools)
      plan = await planInstall(names, tools)
      writeRecord(record, [...readRecord(record), ...plan.install.map(({ name }) => name)])
      run = await install(names, progress, tools)
    }
    if (run.code !== 0) throw downloadError(run.stderr, '/')
  } finally {
    await settleRecord(record, tools)
  }
  progress.end()
}

/** Takes out of the record what is not there: it never was, or somebody removed it. */
export async function settleRecord(record: string, tools: ToolContext): Promise<void> {
  const recorded = readRecord(record)
  if (recorded.length === 0) return
  const present = await presentPackages(recorded, tools)
  writeRecord(
    record,
    recorded.filter((name) => present.has(name)),
  )
}

function install(names: readonly string[], progress: Progress, tools: ToolContext) {
  const onOutput = (text: string) => {
    const fraction = installedFraction(text)
    if (fraction !== undefined) progress.update(fraction)
  }
  return runTool(['apt-get', ...aptOptions, '-o', 'APT::Status-Fd=1', ...installArguments, '-y', ...names], {
    ...tools,
    timeout: 30 * 60_000,
    onOutput,
  })
}

/** The last progress report in apt's status lines (`dlstatus:N:PERCENT:...`, `pmstatus:PACKAGE:PERCENT:...`), download counted as half. */
export function installedFraction(text: string): number | undefined {
  const report = [...text.matchAll(/^(dl|pm)status:[^:]*:([\d.]+):/gm)].at(-1)
  if (report === undefined) return undefined
  const percent = Number(report[2])
  return (report[1] === 'dl' ? percent : 100 + percent) / 200
}

/** Bytes. */
interface Sizes {
  readonly download: number
  readonly disk: number
}

/** What a person reads before anything is installed. */
export function announcement(
  asked: readonly string[],
  { install, upgrade }: AptPlan,
  size: Sizes | undefined,
  record: string,
): string {
  const names = install.map(({ name }) => name)
  const named = new Set<string>()
  const lines: [string, string[]][] = (Object.keys(systemPackages) as Purpose[]).map((purpose) => {
    const listed = Object.keys(systemPackages[purpose])
    const own = names.filter((name) => asked.includes(name) && listed.includes(name) && !named.has(name))
    for (const name of own) named.add(name)
    return [`to ${purpose}`, own]
  })
  lines.push(['brought up to date', upgrade.map(({ name }) => name)])
  const needed = names.length - named.size
  const mb = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`
  const sized = size === undefined ? '' : ` (${mb(size.download)} to download, ${mb(size.disk)} on disk)`
  return [
    `Set-up installs ${names.length} Debian ${names.length === 1 ? 'package' : 'packages'}${sized} and removes none:\n`,
    ...lines
      .filter(([, all]) => all.length > 0)
      .map(([label, all]) => `  ${wrap(`${label}: ${all.join(' ')}`, 100).join('\n    ')}\n`),
    needed === 0 ? '' : `  and ${needed} that these need, listed in ${record} then\n`,
    '`npm run uninstall` takes away what it installed, and everything else of kata-ts on this machine.\n',
  ].join('')
}

/** What apt's lists say about the packages; undefined when they say nothing. */
async function sizes({ install, upgrade }: AptPlan, tools: ToolContext): Promise<Sizes | undefined> {
  const exact = [...install, ...upgrade].map(({ name, version }) => `${name}=${version}`)
  if (exact.length === 0) return undefined
  const { stdout, code } = await runTool(['apt-cache', 'show', ...exact], { ...tools, timeout: 60_000 })
  return code === 0 ? sumSizes(stdout, install) : undefined
}

/** `apt-cache show`: `Size` is that of the download in bytes, `Installed-Size` what `install` takes in KiB. */
export function sumSizes(text: string, install: readonly PackageVersion[]): Sizes {
  const stanzas = new Map(
    text.split('\n\n').map((stanza) => {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(stanza)?.[1] ?? ''
      const size = { download: Number(field('Size')), disk: Number(field('Installed-Size')) * 1024 }
      return [field('Package'), size]
    }),
  )
  const all = [...stanzas].filter(([name]) => name !== '')
  const isNew = new Set(install.map(({ name }) => name.replace(/:.*/, '')))
  return {
    download: all.reduce((sum, [, { download }]) => sum + download, 0),
    disk: all.reduce((sum, [name, { disk }]) => sum + (isNew.has(name) ? disk : 0), 0),
  }
}
