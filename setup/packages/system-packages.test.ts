import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packagesFor, systemPackages } from './system-packages.ts'

test('running and building take nothing that a host with Docker would have to give up', () => {
  const names = packagesFor(['run', 'build'])
  for (const name of ['containerd', 'runc', 'containernetworking-plugins', 'swtpm', 'busybox-static'])
    expect(names).not.toContain(name)
})

test('a package of two purposes is there once', () => {
  const names = packagesFor(['test', 'bench'])
  expect(names).toEqual([...new Set(names)])
})

test('the page on dependencies names every package under its purpose', () => {
  const page = readFileSync(join(import.meta.dir, '../../docs/design/dependencies.md'), 'utf8')
  for (const [purpose, packages] of Object.entries(systemPackages)) {
    const row = page.split('\n').find((line) => line.startsWith(`| to ${purpose} `)) ?? ''
    const named = [...row.matchAll(/`([a-z0-9.+-]+)`/g)].map(([, name]) => name)
    expect(named.sort()).toEqual(Object.keys(packages).sort())
  }
})
