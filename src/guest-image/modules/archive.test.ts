/** Archive and index, read by the guest's own reader. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  headerLength,
  indexLength,
  loadPlan,
  resolveModules,
} from '../../../guest/agent/src/devices/module-index.ts'
import { moduleArchive } from './archive.ts'
import type { KernelModule } from './collect.ts'
import { cutArchive } from './cut-archive.ts'

const xz = '\xfd7zXZ\0'
let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kata-modules-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function module(
  name: string,
  depends: string[] = [],
  aliases: string[] = [],
  body = `${xz}${name}`,
): KernelModule {
  const file = join(dir, `${name}.ko.xz`)
  writeFileSync(file, Buffer.from(body, 'latin1'))
  return { name, depends, aliases, file, data: new Uint8Array() }
}

function read(archive: Uint8Array) {
  const text = Buffer.from(archive).toString('latin1')
  const index = text.slice(headerLength, headerLength + indexLength(text.slice(0, headerLength)))
  const bodies = (name: string) =>
    loadPlan(index, name)?.map(({ offset, size }) => text.slice(offset, offset + size))
  return { index, bodies }
}

test('modules are found by name and alias, in the order of loading', () => {
  const modules = [
    module('wireguard', ['udp_tunnel', 'curve'], ['rtnl-link-wireguard']),
    module('udp_tunnel'),
    module('curve'),
  ]
  const { index, bodies } = read(moduleArchive(modules, new Set(['wireguard', 'udp_tunnel'])))
  expect(resolveModules(index, 'rtnl-link-wireguard')).toEqual(['wireguard'])
  expect(bodies('wireguard')).toEqual([`${xz}udp_tunnel`, `${xz}curve`, `${xz}wireguard`])
  expect(bodies('udp_tunnel')).toEqual([`${xz}udp_tunnel`])
})

test('what only others need has neither name nor alias', () => {
  const modules = [module('bridge', ['llc']), module('llc', [], ['net-pf-26'])]
  const { index, bodies } = read(moduleArchive(modules, new Set(['bridge'])))
  expect(resolveModules(index, 'llc')).toEqual([])
  expect(resolveModules(index, 'net-pf-26')).toEqual([])
  expect(bodies('bridge')).toEqual([`${xz}llc`, `${xz}bridge`])
})

test('several modules may offer the same', () => {
  const modules = [module('b', [], ['crypto-aes']), module('a', [], ['crypto-aes', 'crypto-aes'])]
  const { index } = read(moduleArchive(modules, new Set(['a', 'b'])))
  expect(resolveModules(index, 'crypto-aes')).toEqual(['a', 'b'])
})

test('an alias that would be no word of the index is left out', () => {
  const { index } = read(
    moduleArchive([module('a', [], ['x y', 'x\nm evil 0 1 evil', 'dmi[ab]*'])], new Set(['a'])),
  )
  expect(index).toBe('m a 0 7 a\n')
})

test('equal modules give equal bytes, in whatever order they come', () => {
  const modules = [module('b', [], ['n', 'm']), module('a')]
  const listed = new Set(['a', 'b'])
  expect(moduleArchive([...modules].reverse(), listed)).toEqual(moduleArchive(modules, listed))
})

test('a module that the guest could not unpack is refused by name', () => {
  const plain = module('a', [], [], '\x7fELF')
  expect(() => moduleArchive([plain], new Set(['a']))).toThrow('kernel module a')
})

test('a few of them are an archive of their own, which answers to no alias', () => {
  const modules = [
    module('erofs', ['crc'], ['fs-erofs']),
    module('crc', [], [], `${xz}a longer body`),
    ...[module('veth', [], ['rtnl-link-veth']), module('dm_mod')],
  ]
  const path = join(dir, 'archive')
  writeFileSync(path, moduleArchive(modules, new Set(['erofs', 'veth', 'dm_mod'])))
  const { index, bodies } = read(cutArchive(path, ['erofs', 'dm-mod', 'crc', 'tmpfs'])!)
  expect(bodies('erofs')).toEqual([`${xz}a longer body`, `${xz}erofs`])
  expect(bodies('dm_mod')).toEqual([`${xz}dm_mod`])
  expect([bodies('crc'), bodies('veth')]).toEqual([undefined, undefined])
  expect([resolveModules(index, 'fs-erofs'), resolveModules(index, 'erofs')]).toEqual([[], ['erofs']])
  expect(cutArchive(path, ['crc', 'ext4'])).toBeUndefined()
})

test('a file that is no archive of modules is an error that names it', () => {
  const path = join(dir, 'other')
  writeFileSync(path, 'x'.repeat(headerLength))
  expect(() => cutArchive(path, ['a'])).toThrow(path)
  writeFileSync(path, '')
  expect(() => cutArchive(path, ['a'])).toThrow(path)
})
