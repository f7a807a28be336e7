import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Options } from '../../protocol/generated/containerd/runtime_options.ts'
import { readRuntimeOptions, writeRuntimeOptions } from './runtime-options.ts'

test('the options of start are those of the machine', () => {
  const bundle = mkdtempSync(`${tmpdir()}/options-`)
  try {
    expect(readRuntimeOptions(bundle)).toBeUndefined()
    const value = Options.encode(Options.fromPartial({ configPath: '/etc/kata.toml' })).finish()
    writeRuntimeOptions(bundle, { typeUrl: 'runtimeoptions.v1.Options', value })
    const read = readRuntimeOptions(bundle)!
    expect(read.typeUrl).toBe('runtimeoptions.v1.Options')
    expect(Options.decode(read.value).configPath).toBe('/etc/kata.toml')
    writeFileSync(`${bundle}/runtime-options.json`, '{"typeUrl":1}')
    expect(() => readRuntimeOptions(bundle)).toThrow('BUNDLE_FILE_INVALID')
  } finally {
    rmSync(bundle, { recursive: true })
  }
})
