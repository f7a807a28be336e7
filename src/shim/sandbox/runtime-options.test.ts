import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Options } from '../../protocol/generated/containerd/runtime_options.ts'
import { readRuntimeOptions, writeRuntimeOptions } from './runtime-options.ts'

test.each(['config_path = "/etc/strict.toml"', 'SystemdCgroup = true\n  "ConfigFile"="/etc/strict.toml"\n'])(
  'options that name a configuration file otherwise are refused: %j',
  (body) => {
    const value = Options.encode(Options.fromPartial({ configBody: Buffer.from(body) })).finish()
    const options = { typeUrl: 'runtimeoptions.v1.Options', value }
    expect(() => writeRuntimeOptions('/nonexistent', options)).toThrow('CONFIG_PATH_MISSPELLED')
  },
)

test('the options of start are those of the machine', () => {
  const bundle = mkdtempSync(`${tmpdir()}/options-`)
  try {
    expect(readRuntimeOptions(bundle)).toBeUndefined()
    const value = Options.encode(Options.fromPartial({ configPath: '/etc/kata.toml' })).finish()
    writeRuntimeOptions(bundle, { typeUrl: 'runtimeoptions.v1.Options', value })
    const read = readRuntimeOptions(bundle)!
    expect(read.typeUrl).toBe('runtimeoptions.v1.Options')
    expect(Options.decode(read.value).configPath).toBe('/etc/kata.toml')
    // What other runtimes read says nothing here.
    const others = Options.fromPartial({ configBody: Buffer.from('SystemdCgroup = true\n') })
    writeRuntimeOptions(bundle, { typeUrl: read.typeUrl, value: Options.encode(others).finish() })
    expect(Options.decode(readRuntimeOptions(bundle)!.value).configPath).toBe('')
    writeFileSync(`${bundle}/runtime-options.json`, '{"typeUrl":1}')
    expect(() => readRuntimeOptions(bundle)).toThrow('BUNDLE_FILE_INVALID')
  } finally {
    rmSync(bundle, { recursive: true })
  }
})
