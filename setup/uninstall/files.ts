/** The files that our documents tell to install (docs/how-to, packaging/). */
import { lstatSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { root as repository } from '../paths.ts'
import type { Part } from './part.ts'

/** Ours by their names, in directories where nobody edits files. */
const ours = [
  '/usr/local/bin/kata-ts',
  '/usr/local/bin/containerd-shim-kata-ts-v2',
  // The help of `kata-ts completion` has it there.
  '/etc/bash_completion.d/kata-ts',
  // Where our documents had them once.
  '/usr/lib/sysusers.d/kata-ts.conf',
  '/usr/lib/tmpfiles.d/kata-ts.conf',
]

/** Copies of what packaging/ holds: ours as long as nobody changed them. */
const copies: Readonly<Record<string, string>> = {
  '/etc/udev/rules.d/99-kata-ts-kvm.rules': 'systemd/99-kata-ts-kvm.rules',
  '/etc/sysusers.d/kata-ts.conf': 'systemd/kata-ts.sysusers.conf',
  '/etc/sysusers.d/kata-ts-service.conf': 'systemd/kata-ts-service.sysusers.conf',
  '/etc/systemd/system/kata-ts-boot.service': 'systemd/kata-ts-boot.service',
  '/etc/systemd/system/kata-ts-pool.service': 'systemd/kata-ts-pool.service',
  '/etc/systemd/system/kata-ts-templates.service': 'systemd/kata-ts-templates.service',
  // The socket would start its service again.
  '/etc/systemd/system/kata-ts.socket': 'systemd/kata-ts.socket',
  '/etc/systemd/system/kata-ts.service': 'systemd/kata-ts.service',
  '/etc/tmpfiles.d/kata-ts.conf': 'systemd/kata-ts.tmpfiles.conf',
  '/etc/cni/net.d/10-kata-ts.conflist': 'cni/10-kata-ts.conflist',
  '/etc/docker/daemon.json': 'docker/daemon.json',
  '/etc/crio/crio.conf.d/50-kata-ts.conf': 'crio/50-kata-ts.conf',
}

const unitDir = '/etc/systemd/system'
const configDir = '/etc/kata-ts'
const packaging = join(repository, 'packaging')

/** What is there of these files below `root` (the host's is empty). */
export function installedFiles(root: string): Part[] {
  return [
    ...ours.filter((path) => exists(root + path)).map((path) => removal(root, path)),
    ...Object.entries(copies)
      .filter(([path]) => exists(root + path))
      .map(([path, shipped]) => unlessChanged(root, path, [join(packaging, shipped)]))
      // Any other file of that name is Docker's own.
      .filter((part) => part.what.includes('kata-ts') || 'remove' in part),
    ...configuration(root),
  ]
}

function configuration(root: string): Part[] {
  if (!exists(root + configDir)) return []
  const shipped = readdirSync(packaging)
    .filter((name) => /^configuration.*\.toml$/.test(name))
    .map((name) => join(packaging, name))
  const files = readdirSync(root + configDir, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
    .sort()
    .map((path) => unlessChanged(root, path, shipped))
  const isKept = files.some((part) => 'stays' in part)
  return isKept ? files : [...files, { what: configDir, remove: () => removeEmpty(root + configDir) }]
}

function unlessChanged(root: string, path: string, shipped: readonly string[]): Part {
  const isFile = lstatSync(root + path).isFile()
  if (isFile && shipped.some((file) => readFileSync(file).equals(readFileSync(root + path))))
    return removal(root, path)
  return { what: path, stays: 'it is not as we ship it: remove it if you do not need your changes' }
}

function removal(root: string, path: string): Part {
  return {
    what: path,
    remove() {
      const isUnit = path.startsWith(`${unitDir}/`)
      if (isUnit) forgetUnit(root, basename(path))
      rmSync(root + path)
      if (isUnit && hasSystemd(root)) Bun.spawnSync(['systemctl', 'daemon-reload'])
      // A running udev keeps a rule that it has read.
      if (root === '' && path.startsWith('/etc/udev/') && exists('/run/udev/control'))
        Bun.spawnSync(['udevadm', 'control', '--reload'])
    },
  }
}

/** Ends a unit, and removes the links that `systemctl enable` made. */
function forgetUnit(root: string, unit: string): void {
  if (hasSystemd(root)) Bun.spawnSync(['systemctl', 'stop', unit])
  for (const entry of readdirSync(root + unitDir))
    if (entry.endsWith('.wants')) rmSync(join(root + unitDir, entry, unit), { force: true })
}

/** The host's runs; one of another root does not. */
const hasSystemd = (root: string): boolean => root === '' && exists('/run/systemd/system')

/** Directories alone, from the leaves up. @throws ENOTEMPTY when there is a file after all. */
function removeEmpty(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true }))
    if (entry.isDirectory()) removeEmpty(join(directory, entry.name))
  rmdirSync(directory)
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}
