/**
 * From a launch description to the mounts and Landlock rules of its jail. Pure planning over host facts; the same
 * plan builds the jail and is what the posture is compared with.
 */
import { realpathSync, type Stats, statfsSync, statSync } from 'node:fs'
import { dirname, normalize } from 'node:path'
import { KataError } from '../../errors.ts'
import { isScript, programInterpreter } from '../../linux/files/elf.ts'
import { filterPath } from '../filters/syscall-filter.ts'
import { jailTool, toolsInside } from './jail-tools.ts'
import type { JailPath, JailTree, LaunchSpec } from './launch-spec.ts'

/** One bind mount of the jail, in mounting order. Of the system's files: the program, the tools that start it, and the libraries. */
export interface JailMount {
  /** Path on the host, {@link nodeFs} or {@link overlayFs}. */
  readonly source: string
  /** Inside the jail. */
  readonly target: string
  readonly directory: boolean
  /** Those of ro, nosuid, nodev and noexec that are set, sorted. */
  readonly flags: readonly string[]
  /** Directories of the host that are the layers of an overlay, topmost first; none: it is of {@link askingLayer}. */
  readonly layers?: readonly string[]
}

/** Source of a mount that is no bind: a small file system of the jail's own, which only root can write. */
export const nodeFs = 'tmpfs'

/** Source of a mount that is an overlay of its {@link JailMount.layers}. */
export const overlayFs = 'overlay'

/** The accesses that Landlock allows below a path, by setpriv(1)'s names. */
export interface LandlockRule {
  readonly path: string
  readonly accesses: readonly string[]
}

export interface JailPlan {
  /** The program with symlinks resolved: what is executed. */
  readonly program: string
  /** Symlinks of the root, path and target: programs name their loader by one. */
  readonly links: readonly (readonly [string, string])[]
  /** All mounts but the root itself. */
  readonly mounts: readonly JailMount[]
  readonly rules: readonly LandlockRule[]
}

/** @throws KataError JAIL_SPEC_INVALID naming the path that is missing, relative or in conflict. */
export function planJail(spec: LaunchSpec, asks: (directory: string) => boolean = asksWhoComes): JailPlan {
  const invalid = (reason: string) => new KataError('JAIL_SPEC_INVALID', { program: spec.program, reason })
  if (spec.identity.groups.includes(0)) throw invalid('group 0 is never handed over')
  const program = resolve(spec.program, invalid)
  if (!statSync(program).isFile()) throw invalid(`${program} is not a file`)
  if (isScript(program)) throw invalid(`${program} is a script, and its interpreter is not in the jail`)
  const paths = spec.paths.map((path) => checkedPath(path, invalid))
  const tools = toolsInside.map(jailTool)
  const loaders = loadersOf([program, ...tools])
  const own = [...new Set([...loaders.map(([, loader]) => dirname(loader)), ...tools])]
  if (![...own, ...paths.map(({ target }) => target)].some((target) => isBelow(program, target)))
    own.push(program)

  const mounts = own.map((target) =>
    mountOf({ source: realpathSync(target), target, access: 'execute' }, statSync(target)),
  )
  for (const path of paths) {
    const over = mounts.find(({ target }) => isBelow(path.target, target) || isBelow(target, path.target))
    if (over !== undefined) throw invalid(`${path.target} lies in or over ${over.target}`)
    mounts.push(mountOf(path, statSync(path.source)))
  }
  if (spec.tree !== undefined) mounts.push(...treeMounts(spec.tree, asks, invalid))
  for (const target of spec.nodeDirs ?? [])
    mounts.push({ source: nodeFs, target, directory: true, flags: ['noexec', 'nosuid'] })
  const rules = rulesOf(program, { ...spec, paths })
  return { program, links: loaders.filter(([name, loader]) => name !== loader), mounts, rules }
}

function rulesOf(
  program: string,
  { paths, tree, nodeDirs = [] }: Pick<LaunchSpec, 'paths' | 'tree' | 'nodeDirs'>,
): LandlockRule[] {
  return [
    ...programRules(program),
    ...paths.map((path) => ruleOf(path, statSync(path.source))),
    ...(tree === undefined ? [] : [{ path: dirname(tree.target), accesses: ['read-file', 'read-dir'] }]),
    ...nodeDirs.map((path) => ({ path, accesses: ['read-file', 'write-file'] })),
  ]
}

function mountOf({ source, target, access }: JailPath, stat: Stats): JailMount {
  const flags = ['nosuid']
  if (!stat.isCharacterDevice() && !stat.isBlockDevice()) flags.push('nodev')
  if (access !== 'execute') flags.push('noexec')
  if (access !== 'read-write') flags.push('ro')
  return { source, target, directory: stat.isDirectory(), flags: flags.sort() }
}

/**
 * File systems that ask who comes, whatever capabilities he has here (<linux/magic.h>): FUSE, NFS, CIFS, SMB, Ceph, 9p. An overlay comes to them
 * as who mounted it, which is root.
 */
const askingTypes: ReadonlySet<number> = new Set([
  ...[0x65735546, 0x6969, 0xff534d42, 0xfe534d42, 0x00c36400, 0x01021997],
])
const asksWhoComes = (directory: string): boolean => askingTypes.has(statfsSync(directory).type >>> 0)

/** Where the jail has a single layer that {@link asksWhoComes}, below the overlay that its program can enter. */
export const askingLayer = '/layer'

/** An overlay of layers that are only read is read-only itself. */
function treeMounts(
  { target, layers }: JailTree,
  asks: (directory: string) => boolean,
  invalid: (reason: string) => KataError,
): JailMount[] {
  const [source = '', ...others] = layers.map((layer) => resolve(layer, invalid))
  const mount = { target, directory: true, flags: ['nodev', 'noexec', 'nosuid', 'ro'] }
  if (others.length > 0) return [{ ...mount, source: overlayFs, layers: [source, ...others] }]
  if (!asks(source)) return [{ ...mount, source }]
  return [
    { ...mount, source, target: askingLayer },
    { ...mount, source: overlayFs, layers: [] },
  ]
}

/** A program may be executed together with its loader; libraries are only read, although they are mapped executable. */
function programRules(program: string): LandlockRule[] {
  const execute = ['execute', 'read-file']
  const interpreter = programInterpreter(program)
  if (interpreter === undefined) return [{ path: program, accesses: execute }]
  const loader = realpathSync(interpreter)
  return [
    { path: program, accesses: execute },
    { path: loader, accesses: execute },
    { path: dirname(loader), accesses: ['read-file', 'read-dir'] },
  ]
}

function ruleOf({ target, access }: JailPath, stat: Stats): LandlockRule {
  const accesses = ['read-file']
  if (access === 'execute') accesses.push('execute')
  if (access === 'read-write') accesses.push('write-file', 'truncate')
  if (stat.isDirectory()) accesses.push('read-dir')
  if (stat.isDirectory() && access === 'read-write') accesses.push('remove-file', 'make-reg', 'make-sock')
  return { path: target, accesses }
}

/** The loaders of these programs: as the programs name them, and where they are. Beside a loader are the libraries. */
function loadersOf(programs: readonly string[]): [string, string][] {
  const names = programs.flatMap((program) => programInterpreter(program) ?? [])
  return [...new Set(names)].map((name) => [name, realpathSync(name)])
}

function checkedPath(path: JailPath, invalid: (reason: string) => KataError): JailPath {
  const { target } = path
  if (
    !target.startsWith('/') ||
    normalize(target) !== target ||
    target.endsWith('/') ||
    target.includes('\0')
  )
    throw invalid(`${JSON.stringify(target)} is not a plain absolute path`)
  if (['/old', '/proc', '/lib', '/lib64', filterPath].some((own) => isBelow(target, own)))
    throw invalid(`${target} is a place of the jail's own`)
  return { ...path, source: resolve(path.source, invalid) }
}

function resolve(path: string, invalid: (reason: string) => KataError): string {
  if (!path.startsWith('/')) throw invalid(`${JSON.stringify(path)} is not absolute`)
  try {
    return realpathSync(path)
  } catch (error) {
    throw invalid(`${path} cannot be opened (${(error as NodeJS.ErrnoException).code})`)
  }
}

/** Whether `path` is `directory` or lies below it. */
function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`)
}
