/**
 * What is in the guest's initial RAM file system. It is also the guest's root for good, so it holds all that the agent
 * needs and nothing else: every megabyte costs boot time.
 *
 *   /init                          the agent, static
 *   /usr/bin/crun                  runs the containers; linked against the libraries below
 *   /usr/lib/x86_64-linux-gnu/     those libraries, under their sonames; libsystemd.so.0 is our stub
 *   /lib/modules/NAME.ko           kernel modules, unpacked and flat, loaded by the agent when first needed
 *   /lib/modules/modules.list      per module the load order: `NAME: DEPENDENCY... NAME`
 *   /etc/kata-ts-release           kernel release and recipe, for people who look around
 */
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { KataError } from '../errors.ts'
import { type CpioEntry, writeCpio } from './cpio.ts'
import { neededLibraries } from './elf.ts'
import { type DynamicSymbol, exportedSymbols, importedSymbols } from './elf-symbols.ts'
import { type KernelModule, modulesList } from './modules/collect.ts'

const libDir = 'usr/lib/x86_64-linux-gnu'
const loader = 'ld-linux-x86-64.so.2'
const libsystemd = 'libsystemd.so.0'
/** Mount points and places to write that the agent and crun expect. */
const directories = ['dev', 'etc', 'mnt', 'proc', 'root', 'run', 'sys', 'usr/sbin', 'var']

export interface InitrdParts {
  readonly agent: Uint8Array
  /** The libsystemd.so.0 that crun gets instead of Debian's. */
  readonly systemdStub: Uint8Array
  /** Directory into which the packages were unpacked. */
  readonly tree: string
  readonly modules: readonly KernelModule[]
  readonly kernelRelease: string
  readonly recipe: number
}

/**
 * The archive; equal parts give equal bytes.
 *
 * @throws KataError IMAGE_PACKAGE_CONTENT for a program or library that is missing, IMAGE_SYSTEMD_SYMBOL.
 */
export function buildInitrd(parts: InitrdParts): Uint8Array {
  const { agent, systemdStub, tree, modules, kernelRelease, recipe } = parts
  const crun = readFromTree(tree, 'usr/bin/crun')
  const text = (path: string, content: string): CpioEntry => file(path, Buffer.from(content), 0o644)
  return writeCpio([
    ...directories.map((path): CpioEntry => ({ kind: 'directory', path, mode: 0o755 })),
    { kind: 'directory', path: 'tmp', mode: 0o1777 },
    // The kernel opens it for init's stdio before devtmpfs is mounted.
    { kind: 'char', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
    { kind: 'symlink', path: 'bin', target: 'usr/bin' },
    { kind: 'symlink', path: 'sbin', target: 'usr/sbin' },
    { kind: 'symlink', path: 'lib', target: 'usr/lib' },
    { kind: 'symlink', path: 'lib64', target: 'usr/lib64' },
    { kind: 'symlink', path: `usr/lib64/${loader}`, target: `../lib/x86_64-linux-gnu/${loader}` },
    text('etc/kata-ts-release', `kernel=${kernelRelease}\nrecipe=${recipe}\n`),
    file('init', agent, 0o755),
    file('usr/bin/crun', crun, 0o755),
    ...libraries(tree, crun, systemdStub).map(([name, data]) => file(`${libDir}/${name}`, data, 0o755)),
    ...modules.map(({ name, data }) => file(`usr/lib/modules/${name}.ko`, data, 0o644)),
    text('usr/lib/modules/modules.list', modulesList(modules)),
  ])
}

function file(path: string, data: Uint8Array, mode: number): CpioEntry {
  return { kind: 'file', path, mode, data }
}

/** Every library that `program` needs, directly or not, and the loader. */
function libraries(
  tree: string,
  program: Uint8Array,
  systemdStub: Uint8Array,
): [name: string, data: Uint8Array][] {
  checkSystemdSymbols('crun', program, systemdStub)
  const found = new Map<string, Uint8Array>()
  const waiting = [loader, ...neededLibraries(program)]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (found.has(name)) continue
    const data = name === libsystemd ? systemdStub : readFromTree(tree, join(libDir, name))
    checkSystemdSymbols(name, data, systemdStub)
    found.set(name, data)
    waiting.push(...neededLibraries(data))
  }
  return [...found]
}

/**
 * The dynamic linker refuses a program of which one symbol is missing, so a crun that uses more of libsystemd than the
 * stub has would start no container: that must show here and not in the guest.
 */
function checkSystemdSymbols(program: string, data: Uint8Array, systemdStub: Uint8Array): void {
  const stubbed = new Set(exportedSymbols(systemdStub).map(versioned))
  const missing = importedSymbols(data).find(
    (symbol) =>
      (symbol.library === libsystemd || symbol.name.startsWith('sd_')) && !stubbed.has(versioned(symbol)),
  )
  if (missing !== undefined)
    throw new KataError('IMAGE_SYSTEMD_SYMBOL', { program, symbol: versioned(missing) })
}

function versioned({ name, version }: DynamicSymbol): string {
  return version === undefined ? name : `${name}@${version}`
}

/** A file of the unpacked packages, which must not lead out of them by a symlink. */
function readFromTree(tree: string, path: string): Uint8Array {
  try {
    const real = realpathSync(join(tree, path))
    if (real.startsWith(`${realpathSync(tree)}/`) && statSync(real).isFile()) return readFileSync(real)
  } catch {
    // Reported below: the packages are not what we know.
  }
  throw new KataError('IMAGE_PACKAGE_CONTENT', { name: basename(path), reason: `no file ${path}` })
}
