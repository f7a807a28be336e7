/** The jail's root on disk: empty placeholders that the mounts cover, and the table mount(8) reads. */
import { chmodSync, lstatSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { KataError } from '../../errors.ts'
import { unmountBelow } from '../../linux/mounts/mount.ts'
import { filterPath, syscallFilter } from '../filters/syscall-filter.ts'
import { askingLayer, type JailMount, type JailPlan, nodeFs, overlayFs } from './jail-plan.ts'
import type { SyscallPolicy } from './launch-spec.ts'

export interface JailRoot {
  readonly root: string
  readonly fstab: string
}

/**
 * Makes `<stateDir>/jail-<program>/{root,fstab}` anew. It goes away with the state directory: nothing is mounted on
 * it outside of the jailed process's own mount namespace.
 *
 * @throws KataError JAIL_SPEC_INVALID when the state directory is not root's alone.
 */
export function buildJailRoot(stateDir: string, plan: JailPlan, syscalls: SyscallPolicy): JailRoot {
  const state = lstatSync(stateDir, { throwIfNoEntry: false })
  if (!state?.isDirectory() || state.uid !== 0 || (state.mode & 0o022) !== 0)
    throw new KataError('JAIL_SPEC_INVALID', {
      program: plan.program,
      reason: `${stateDir} is not a directory that only root can write`,
    })
  const base = `${stateDir}/jail-${basename(plan.program)}`
  unmountBelow(base)
  rmSync(base, { recursive: true, force: true })
  const root = `${base}/root`
  makeDirectory(base, 0o700)
  makeDirectory(root, 0o755)
  makeDirectory(`${root}/old`, 0)
  makeDirectory(`${root}/proc`, 0o555)
  for (const [path, target] of plan.links) {
    makeParents(root, path)
    symlinkSync(target, `${root}${path}`)
  }
  writeFileSync(`${root}${filterPath}`, syscallFilter(syscalls), { mode: 0o444 })
  for (const mount of plan.mounts) makePlaceholder(root, mount)
  const layers = plan.mounts.flatMap((mount) => mount.layers ?? [])
  for (const [index, layer] of layers.entries()) symlinkSync(layer, `${base}/${index}`)
  makeDirectory(`${base}/${emptyLayer}`, 0o755)
  const fstab = `${base}/fstab`
  writeFileSync(fstab, fstabOf(root, plan.mounts), { mode: 0o600 })
  return { root, fstab }
}

/** Searchable but not listable: a process finds only a node whose name it knows. */
const nodeFsOptions = ['mode=0711', 'size=64k', 'nr_inodes=128']

function makePlaceholder(root: string, { target, directory }: JailMount): void {
  makeParents(root, target)
  if (directory) makeDirectory(`${root}${target}`, 0o755)
  else writeFileSync(`${root}${target}`, '', { mode: 0o444, flag: 'wx' })
}

function makeParents(root: string, path: string): void {
  const missing: string[] = []
  for (
    let at = dirname(path);
    at !== '/' && lstatSync(`${root}${at}`, { throwIfNoEntry: false }) === undefined;
    at = dirname(at)
  )
    missing.unshift(at)
  for (const at of missing) makeDirectory(`${root}${at}`, 0o755)
}

/** mkdir whose mode no umask changes. */
function makeDirectory(path: string, mode: number): void {
  mkdirSync(path)
  chmodSync(path, mode)
}

/** /proc is there until the old root is detached, because umount(8) reads the mount table; then it goes as well. */
function fstabOf(root: string, mounts: readonly JailMount[]): string {
  const lines = [
    { source: root, target: '', flags: ['nodev', 'noexec', 'nosuid', 'ro'] },
    ...mounts,
    { source: '/proc', target: '/proc', flags: [] },
  ].map((mount) => {
    const { source, target, flags } = mount
    const [type, ...options] = typeAndOptions(mount)
    const fields = [escapeField(source), escapeField(root + target), type, [...options, ...flags].join(',')]
    return [...fields, '0', '0'].join(' ')
  })
  return `${lines.join('\n')}\n`
}

/** The kernel makes no overlay of a single layer. */
const emptyLayer = 'empty'

function typeAndOptions({ source, layers }: Pick<JailMount, 'source' | 'layers'>): string[] {
  if (source === nodeFs) return [nodeFs, ...nodeFsOptions]
  if (layers === undefined) return ['none', 'bind']
  // Short names, from the directory of the table, because mount(2) takes one page of options.
  const names = layers.length === 0 ? [`root${askingLayer}`, emptyLayer] : layers.map((_, index) => index)
  return [overlayFs, `lowerdir=${names.join(':')}`]
}

/** fstab(5): white space and backslash as three octal digits; a leading # cannot occur in an absolute path. */
function escapeField(path: string): string {
  return path.replace(/[\s\\]/g, (char) =>
    [...Buffer.from(char)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join(''),
  )
}
