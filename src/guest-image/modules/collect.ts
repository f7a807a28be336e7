/** Kernel modules for the guest: found by name, unpacked on the host, with the order in which they must be loaded. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { KataError } from '../../errors.ts'
import { mustRunTool, type ToolContext } from '../child.ts'
import { moduleInfo } from '../elf.ts'

export interface KernelModule {
  /** With underscores, as the kernel names it. */
  readonly name: string
  readonly data: Uint8Array
  /** Names of the modules it needs, direct ones only. */
  readonly depends: readonly string[]
  /** By what the kernel asks for it: `fs-xfs`, `rtnl-link-veth`, `pci:v00008086d...*`. */
  readonly aliases: readonly string[]
  /** The file as the package has it. */
  readonly file: string
}

/**
 * The modules `wanted` of an unpacked kernel package and all that they need, without those built into the kernel.
 * `modulesDir` is .../lib/modules/RELEASE; its files are unpacked beside the packed ones.
 *
 * @throws KataError IMAGE_PACKAGE_CONTENT when one is neither there nor built in; those of {@link mustRunTool}.
 */
export async function collectModules(
  modulesDir: string,
  wanted: readonly string[],
  options: ToolContext,
): Promise<KernelModule[]> {
  const files = new Map(
    moduleFiles(modulesDir).map((path) => [moduleName(path), join(modulesDir, 'kernel', path)]),
  )
  const builtIn = new Set(
    readFileSync(join(modulesDir, 'modules.builtin'), 'utf8').trim().split('\n').map(moduleName),
  )
  const found = new Map<string, KernelModule>()
  let round = [...wanted]
  while (round.length > 0) {
    const paths = round.map((name) => {
      const path = files.get(name)
      if (path === undefined)
        throw new KataError('IMAGE_PACKAGE_CONTENT', { name: `kernel module ${name}`, reason: modulesDir })
      return path
    })
    const packed = paths.filter((path) => path.endsWith('.xz'))
    if (packed.length > 0)
      await mustRunTool(['xz', '--decompress', '--keep', '--force', '--', ...packed], modulesDir, {
        ...options,
        timeout: 120_000,
      })
    for (const path of paths) {
      const module = readModule(path)
      found.set(module.name, module)
    }
    const needed = [...found.values()].flatMap(({ depends }) => depends)
    round = [...new Set(needed)].filter((name) => !found.has(name) && !builtIn.has(name))
  }
  return [...found.values()].map((module) => ({
    ...module,
    depends: module.depends.filter((name) => found.has(name)),
  }))
}

/** Every module of the package, as a path below `kernel/`; not those that {@link collectModules} has unpacked. */
export function moduleFiles(modulesDir: string): string[] {
  const found = readdirSync(join(modulesDir, 'kernel'), { recursive: true, encoding: 'utf8' })
  const packed = new Set(found.filter((path) => path.endsWith('.ko.xz')))
  return found.filter((path) => packed.has(path) || (path.endsWith('.ko') && !packed.has(`${path}.xz`)))
}

function readModule(file: string): KernelModule {
  const data = readFileSync(file.replace(/\.xz$/, ''))
  const info = moduleInfo(data)
  const depends = info.find(([key]) => key === 'depends')?.[1] ?? ''
  return {
    name: moduleName(file),
    data,
    file,
    aliases: info.filter(([key]) => key === 'alias').map(([, alias]) => alias),
    depends: depends
      .split(',')
      .filter((name) => name !== '')
      .map(moduleName),
  }
}

/** `kernel/net/vmw-vsock.ko.xz` -> `vmw_vsock`. */
export function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko(\.xz)?$/, '')
    .replaceAll('-', '_')
}

/**
 * The text of `/lib/modules/modules.list`: a line per module, sorted, holding the names to load in that order, the module
 * itself last (`virtio_net: failover net_failover virtio_net`).
 */
export function modulesList(modules: readonly KernelModule[]): string {
  return [...loadOrders(modules)].map(([name, order]) => `${name}: ${order.join(' ')}\n`).join('')
}

/** For each module, by its name, the names to load in that order, itself last. */
export function loadOrders(modules: readonly KernelModule[]): Map<string, string[]> {
  const byName = new Map(modules.map((module) => [module.name, module]))
  const order = (name: string, above: readonly string[]): string[] => {
    if (above.includes(name)) return []
    const below = byName.get(name)?.depends.flatMap((other) => order(other, [...above, name])) ?? []
    return [...new Set([...below, name])]
  }
  return new Map([...byName.keys()].sort().map((name) => [name, order(name, [])]))
}
