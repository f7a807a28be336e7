import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { readBundleSpec, readSandboxId, readSpecIfThere } from './bundle.ts'

let bundle: string
beforeAll(() => {
  bundle = mkdtempSync(`${tmpdir()}/bundle-`)
})
afterAll(() => rmSync(bundle, { recursive: true }))
const config = () => `${bundle}/config.json`

test('a bundle without a config.json, or with one that nobody would write, is invalid', () => {
  expect(readSpecIfThere(bundle)).toBeUndefined()
  expect(() => readBundleSpec(bundle)).toThrow(/^\[BUNDLE_INVALID\].*config\.json: .*ENOENT/)
  writeFileSync(config(), '{}')
  truncateSync(config(), 8 * 1024 * 1024 + 1)
  expect(() => readBundleSpec(bundle)).toThrow(/^\[BUNDLE_INVALID\].*at most 8388608 bytes/)
})

test('the pod of a container is read from its annotations', () => {
  writeFileSync(config(), '{}')
  expect(readSandboxId(bundle)).toBeUndefined()
  const annotations = {
    'io.kubernetes.cri.container-type': 'container',
    'io.kubernetes.cri.sandbox-id': 'pod-1',
  }
  writeFileSync(config(), JSON.stringify({ annotations }))
  expect(readSandboxId(bundle)).toBe('pod-1')
  writeFileSync(config(), JSON.stringify({ annotations: { a: 1 } }))
  expect(() => readSandboxId(bundle)).toThrow(/^\[OCI_SPEC_INVALID\].*annotations/)
})
