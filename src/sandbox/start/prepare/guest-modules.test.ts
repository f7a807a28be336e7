import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { modulesOf } from './guest-modules.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kata-image-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

/** An image's manifest; its files are not looked at here. */
function image(more: object): string {
  const file = (name: string) => ({ file: name, sha256: '0'.repeat(64), size: 1 })
  const facts = { id: 'i', recipe: 5, kernelRelease: '6', agentSha256: '', packages: [], builtAt: '' }
  const manifest = { ...facts, kernel: file('vmlinux'), initrd: file('initrd'), ...more }
  writeFileSync(join(dir, 'manifest.json'), JSON.stringify(manifest))
  return join(dir, 'vmlinux')
}

const of = (kernel: string, hypervisor: { kernel?: string; initrd?: string; image?: string } = {}) =>
  modulesOf({ hypervisor: { kernel: '', initrd: '', image: '', ...hypervisor } }, { kernel })
const withModules = { modules: { file: 'modules', sha256: '0'.repeat(64), size: 1 } }

test('a guest with the image’s kernel gets the modules beside it', () => {
  const kernel = image(withModules)
  expect(of(kernel)).toBe(join(dir, 'modules'))
  expect(of(kernel, { image: '/disk.img' })).toBe(join(dir, 'modules'))
})

test('a kernel, or a guest, of the user’s own gets none', () => {
  const kernel = image(withModules)
  expect(of(kernel, { kernel })).toBeUndefined()
  expect(of(kernel, { initrd: '/initrd' })).toBeUndefined()
})

test('an image that was built before there were any has none', () => {
  expect(of(image({}))).toBeUndefined()
})
