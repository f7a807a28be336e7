/** What apt-get would do, by a simulation that changes nothing. */
import { aptUpdate, asRoot, downloadError } from '../../src/guest-image/apt.ts'
import { runTool, type ToolContext, type ToolRun } from '../../src/guest-image/child.ts'
import { SetupError } from '../setup-error.ts'
import { packagesFor } from './system-packages.ts'

/** The package and the version that apt would install. */
export interface PackageVersion {
  readonly name: string
  readonly version: string
}

export interface AptPlan {
  /** Not installed now. */
  readonly install: readonly PackageVersion[]
  /** Installed now, in another version. */
  readonly upgrade: readonly PackageVersion[]
  readonly remove: readonly string[]
}

/** For every call of apt-get. A host that is configured to remove what nobody needs any more must not do so for us. */
export const aptOptions = [
  ...asRoot,
  '-q',
  '-o',
  'APT::Get::AutomaticRemove=false',
  '-o',
  'DPkg::Lock::Timeout=120',
] as const

/** An installation that takes nothing away, and nothing that packages merely recommend. */
export const installArguments = ['install', '--no-remove', '--no-install-recommends'] as const

/**
 * What installing `names` would do. Fetches the package lists once when apt does not know what it needs.
 *
 * @throws SetupError when it cannot be done without removing a package, or at all; KataError IMAGE_PACKAGES_UNREACHABLE, IMAGE_TOOL_*.
 */
export async function planInstall(names: readonly string[], tools: ToolContext): Promise<AptPlan> {
  const first = await simulate([...installArguments, ...names], tools)
  if (first.code === 0) return parsePlan(first.stdout)
  if (inTheWay(first.stdout).length === 0) {
    await aptUpdate(tools)
    const second = await simulate([...installArguments, ...names], tools)
    if (second.code === 0) return parsePlan(second.stdout)
    if (inTheWay(second.stdout).length === 0) throw refused(second)
  }
  throw conflict(names, await conflictsOf(names, tools))
}

/** What `apt-get ACTION...` would do; its words when it would refuse. */
export async function simulate(action: readonly string[], tools: ToolContext): Promise<ToolRun> {
  return runTool(['apt-get', ...aptOptions, '-s', ...action], { ...tools, timeout: 120_000 })
}

/** `Inst NAME [OLD] (NEW ORIGIN [ARCH])`, `Remv NAME [OLD]` and `Purg NAME [OLD]` of a simulation; OLD is left out when there is none. */
export function parsePlan(stdout: string): AptPlan {
  const changes = [...stdout.matchAll(/^Inst (\S+) (\[\S+\] )?\((\S+) /gm)].map(
    ([, name = '', old, version = '']) => ({ name, version, isNew: old === undefined }),
  )
  const of = (wanted: boolean) =>
    changes.filter(({ isNew }) => isNew === wanted).map(({ name, version }) => ({ name, version }))
  const removed = [...stdout.matchAll(/^(?:Remv|Purg) (\S+)/gm)].map(([, name = '']) => name)
  return { install: of(true), upgrade: of(false), remove: [...new Set(removed)] }
}

/**
 * The installed packages that keep a refused installation from being done: those that it would remove, or, where they may
 * not be removed (on hold), those that declare a conflict.
 */
export function inTheWay(stdout: string): string[] {
  const removed = /^The following packages will be REMOVED:\n((?: .*\n)+)/m.exec(stdout)?.[1] ?? ''
  const names = removed.split(/\s+/).filter((name) => name !== '')
  const declared = [...stdout.matchAll(/^ (\S+) : (?:Conflicts|Breaks): /gm)].map(([, name = '']) => name)
  return [...new Set([...names.map((name) => name.replace(/\*$/, '')), ...declared])]
}

interface Conflict {
  readonly wanted: string
  readonly others: readonly string[]
}

/** Which package is at odds with which others: each is tried alone. */
async function conflictsOf(names: readonly string[], tools: ToolContext): Promise<Conflict[]> {
  const found: Conflict[] = []
  for (const wanted of names) {
    const { stdout } = await simulate([...installArguments, wanted], tools)
    const others = inTheWay(stdout).filter((other) => other !== wanted)
    if (others.length > 0) found.push({ wanted, others })
  }
  return found
}

function conflict(names: readonly string[], conflicts: readonly Conflict[]): SetupError {
  const pairs = conflicts.map(({ wanted, others }) => `${wanted} conflicts with ${others.join(', ')}`)
  const others = [...new Set(conflicts.flatMap((one) => one.others))].join(' ')
  const toRun = packagesFor(['run', 'build'])
  const isForTests = conflicts.length > 0 && conflicts.every(({ wanted }) => !toRun.includes(wanted))
  return new SetupError(
    pairs.length > 0
      ? `${pairs.join('; ')}, which is installed, and set-up removes no package; nothing was changed`
      : `${names.join(', ')} cannot all be installed beside what is there, and set-up removes no package; nothing was changed`,
    [
      isForTests ? '`npm run demo` and `npm run build` need none of these. ' : '',
      `Run it on another machine, or, if you can do without ${others || 'what is in the way'}, remove it yourself`,
      others === '' ? '' : ` (apt-get remove ${others})`,
      ' and run it again.',
    ].join(''),
  )
}

/** apt knows the packages and cannot install them, or does not know them after its lists were fetched. */
function refused({ stdout, stderr }: ToolRun): Error {
  const unmet = /^The following packages have unmet dependencies:\n((?: .*\n)+)/m.exec(stdout)?.[1]
  if (unmet === undefined) return downloadError(stderr, '/')
  return new SetupError(
    `apt cannot install what is needed; nothing was changed:\n${unmet.trimEnd()}`,
    'mend what it names (apt-get -f install, apt-mark showhold, sources of another release) and run it again',
  )
}
