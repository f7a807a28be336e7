import { describe, expect, test } from 'bun:test'
import { KataError } from '../../errors.ts'
import { createLogger, silentLogger } from '../../log.ts'
import { applyAnnotations } from '../annotations.ts'
import { allKeys } from '../keys.ts'
import { loadConfigText } from '../load.ts'
import { annotationPrefixes } from './annotation-names.ts'
import type { KataKey, KataTable } from './kata-key.ts'
import { kataKeys } from './kata-keys.ts'

const kataTable = kataKeys()
const host = { cpus: 4, memoryMiB: 8192 }

const headings: Readonly<Record<KataTable, string>> = {
  hypervisor: '[hypervisor.qemu]',
  'agent.kata': '[agent.kata]',
  runtime: '[runtime]',
  factory: '[factory]',
  mem_agent: '[agent.kata.mem_agent]',
  image: '[image]',
}

/** `silent`, `warned` or `refused`, and what was said. */
function outcome(run: (log: ReturnType<typeof createLogger>) => unknown): { fate: string; said: string } {
  const warnings: string[] = []
  try {
    run(createLogger({ sink: ({ message }) => warnings.push(message) }))
  } catch (error) {
    if (!(error instanceof KataError)) throw error
    if (!/^(CONFIG|ANNOTATION)_UNSUPPORTED$/.test(error.code)) throw error
    return { fate: 'refused', said: error.message }
  }
  return { fate: warnings.length === 0 ? 'silent' : 'warned', said: warnings.join() }
}

const load = (text: string) =>
  outcome((log) => loadConfigText('/c.toml', new TextEncoder().encode(text), log, host))

const inFile = (table: KataTable, key: string, value: unknown) =>
  load(`${headings[table]}\n${key} = ${JSON.stringify(value)}`)

const enabled = loadConfigText(
  '/c.toml',
  new TextEncoder().encode('[hypervisor.qemu]\nenable_annotations = [".*"]'),
  silentLogger,
  host,
)
const inAnnotation = (table: 'hypervisor' | 'agent.kata' | 'runtime', name: string, text: string) =>
  outcome((log) =>
    applyAnnotations(enabled, { [annotationPrefixes[table] + name]: text }, log, {
      size: host,
      exists: () => true,
      isOpenToAll: () => true,
    }),
  )

/** A value of the key's type that is none of the silent ones. */
function asking({ silent }: KataKey): unknown {
  const [example] = silent
  if (typeof example === 'boolean' && silent.length === 1) return !example
  if (typeof example === 'number') return 7777
  return Array.isArray(example) ? ['x'] : 'x'
}

/** As an annotation has it: Kata's lists of names are separated by spaces. */
const textOf = (value: unknown) => (Array.isArray(value) ? value.join(' ') : String(value))

describe.each(kataTable.map((key) => [key.table, key.key, key] as const))('%s %s', (table, name, key) => {
  const silent = key.silent === 'any' ? [false, true, 0, 77, '', 'x', ['x']] : key.silent
  const annotated = table === 'factory' || table === 'mem_agent' || table === 'image' ? undefined : table

  test('values that ask for nothing are silent', () => {
    for (const value of silent) {
      expect([value, inFile(table, name, value)]).toEqual([value, { fate: 'silent', said: '' }])
      if (annotated !== undefined && typeof value !== 'object')
        expect(inAnnotation(annotated, key.annotation, textOf(value)).fate).toBe('silent')
    }
  })

  test('others are refused or named in a warning, with the reason', () => {
    if (key.silent === 'any') return
    const { fate, said } = inFile(table, name, asking(key))
    expect(fate).toBe(key.otherwise)
    expect(said).toContain(name)
    expect(said).toContain(key.about)
    if (annotated === undefined) return
    const answer = inAnnotation(annotated, key.annotation, textOf(asking(key)))
    expect(answer.fate).toBe(key.otherwise)
    expect(answer.said).toContain(key.about)
  })
})

describe('what asks for a protection or a limit is refused at its line', () => {
  test.each<[KataTable, string, string]>([
    ['hypervisor', 'confidential_guest = true', 'confidential guests are not supported'],
    ['hypervisor', 'confidential_guest = "true"', 'confidential guests are not supported'],
    ['hypervisor', 'sev_snp_guest = true', 'confidential guests are not supported'],
    ['hypervisor', 'snp_id_block = "AAAA"', 'confidential guests are not supported'],
    ['hypervisor', 'initdata = "AAAA"', 'confidential guests are not supported'],
    ['hypervisor', 'kernel_verity_params = "root_hash=ab"', 'dm-verity'],
    ['hypervisor', 'disable_guest_selinux = false', 'SELinux'],
    ['hypervisor', 'selinux_label = "a:b:c"', 'SELinux'],
    ['runtime', 'guest_selinux_label = "a:b:c"', 'SELinux'],
    ['hypervisor', 'net_rate_limiter_ops_max_rate = 1000', 'instead: rx_rate_limiter_max_rate'],
    ['runtime', 'emptydir_mode = "block-encrypted"', 'encrypted emptyDir'],
    ['runtime', 'experimental_force_guest_pull = true', 'pulled in the guest'],
    ['runtime', 'experimental = ["other", "force_guest_pull"]', 'experimental'],
    ['runtime', 'experimental = "force_guest_pull"', 'experimental'],
    ['image', 'service_offload = true', 'pulled in the guest'],
    ['agent.kata', 'policy = "package agent_policy"', 'policies of the agent'],
  ])('%s: %s', (table, line, reason) => {
    const { fate, said } = load(`${headings[table]}\n${line}`)
    expect(fate).toBe('refused')
    expect(said).toStartWith('[CONFIG_UNSUPPORTED] /c.toml:2: ')
    expect(said).toContain(reason)
  })

  test.each<['hypervisor' | 'agent.kata' | 'runtime', string, string]>([
    ['hypervisor', 'confidential_guest', 'true'],
    ['hypervisor', 'kernel_verity_params', 'root_hash=ab'],
    ['hypervisor', 'net_rate_limiter_bw_max_rate', '1000'],
    ['hypervisor', 'cc_init_data', 'x'],
    ['hypervisor', 'firmware_hash', 'ab'],
    ['hypervisor', 'asset_hash_type', 'sha256'],
    ['runtime', 'emptydir_mode', 'block-encrypted'],
    ['runtime', 'experimental', 'force_guest_pull other'],
    ['runtime', 'experimental', 'other,force_guest_pull'],
    ['runtime', 'experimental', '["other", "force_guest_pull"]'],
    ['runtime', 'experimental_force_guest_pull', '1'],
    ['agent.kata', 'policy', 'cGFja2FnZQ=='],
  ])('annotation %s %s: %s', (table, name, text) => {
    expect(inAnnotation(table, name, text).fate).toBe('refused')
  })

  test('before any other mistake of the file, for it is what the file is about', () => {
    const { said } = load('[hypervisor.qemu]\ndefault_memory = "much"\nconfidential_guest = true')
    expect(said).toStartWith('[CONFIG_UNSUPPORTED] /c.toml:3: confidential_guest = true cannot be granted: ')
  })

  test('and what asks for a function is not', () => {
    expect(load('[runtime]\nexperimental = ["other"]').fate).toBe('warned')
    expect(load('[runtime]\nuse_passfd_io = true').fate).toBe('warned')
    expect(load('[agent.kata.mem_agent]\nenable = true').said).toContain('agent.kata.mem_agent.enable')
  })
})

test('no key is both implemented and not', () => {
  const twice = kataTable.filter(({ table, key }) =>
    allKeys().some((spec) => spec.table === table && (spec.key === key || spec.aliases.includes(key))),
  )
  expect(twice).toEqual([])
  expect(new Set(kataTable.map(({ table, key }) => `${table} ${key}`)).size).toBe(kataTable.length)
})
