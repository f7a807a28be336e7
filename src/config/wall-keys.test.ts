/** Every key about a wall, with every single slip: a start that went on without it would be the worst answer. */
import { describe, expect, test } from 'bun:test'
import { type ErrorCode, KataError } from '../errors.ts'
import { createLogger } from '../log.ts'
import { drivers } from './drivers.ts'
import { keysFor, tableName } from './keys.ts'
import { loadConfigText } from './load.ts'

/** The code and text of the refusal, or the warnings. */
function outcome(text: string): { code?: ErrorCode; said: string[] } {
  const said: string[] = []
  const log = createLogger({ sink: ({ message }) => said.push(message) })
  try {
    loadConfigText('/c.toml', new TextEncoder().encode(text), log, { cpus: 4, memoryMiB: 8192 })
    return { said }
  } catch (error) {
    if (!(error instanceof KataError)) throw error
    return { code: error.code, said: [error.message] }
  }
}

const slips = (key: string): string[] => [
  ...Array.from(key, (_, at) => key.slice(0, at) + key.slice(at + 1)),
  ...Array.from(key, (_, at) => `${key.slice(0, at)}x${key.slice(at)}`),
  `${key}s`,
  key.toUpperCase(),
  key.replaceAll('_', '-'),
]

const walls = drivers.flatMap((driver) =>
  keysFor(driver)
    .filter((spec) => spec.wall && spec.drivers.includes(driver))
    .map((spec) => [driver, spec.key, spec.table] as const),
)

test('what stands between a pod and the host is marked as a wall', () => {
  const marked = new Set(walls.map(([, key]) => key))
  for (const key of ['rootless', 'disable_guest_seccomp', 'seccompsandbox', 'accelerator', 'kvm_access'])
    expect(marked).toContain(key)
  for (const key of [
    'virtio_fs_privilege',
    'virtio_fs_nosuid',
    'virtio_fs_suid_volumes',
    'enable_annotations',
    'jailer_path',
    'valid_hypervisor_paths',
  ])
    expect(marked).toContain(key)
})

describe.each(walls)('%s: %s', (driver, key, table) => {
  const known = keysFor(driver).flatMap((spec) => [spec.key, ...spec.aliases])

  test('with a slip is an error that names it', () => {
    for (const slip of slips(key).filter((name) => !known.includes(name))) {
      const { code, said } = outcome(`[${tableName(driver, table)}]\n${slip} = true\n`)
      expect([slip, code]).toEqual([slip, 'CONFIG_WALL_MISSPELLED'])
      expect(said[0]).toContain(`/c.toml:2: "${tableName(driver, table)}.${slip}" is not a key`)
      expect(said[0]).toContain(`${key} in [${tableName(driver, table)}]`)
    }
  })

  test('in another table is the same', () => {
    const other = table === 'runtime' ? 'agent.kata' : 'runtime'
    const { code, said } = outcome(`[hypervisor.${driver}]\n[${other}]\n${key} = true\n`)
    expect(code).toBe('CONFIG_WALL_MISSPELLED')
    expect(said[0]).toContain(`Write ${key} in [${tableName(driver, table)}]`)
  })
})

/** Where no key is read. */
const elsewhere = [
  ['in front of the first table', (line: string) => line],
  ['in a table whose name is misspelt', (line: string) => `[runtme]\n${line}`],
  ['in a table of a misspelt one', (line: string) => `[hypervsor.qemu]\n${line}`],
  ['in a list of tables', (line: string) => `[[other]]\n${line}`],
  [
    'in a table of the hypervisor’s',
    (line: string) => `[hypervisor.qemu]\n[hypervisor.qemu.runtime]\n${line}`,
  ],
  ['in a table of the runtime’s', (line: string) => `[runtime.hypervisor.qemu]\n${line}`],
  ['in a table that has no keys of ours', (line: string) => `[agent.kata.mem_agent]\n${line}`],
] as const

describe.each(elsewhere)('%s', (_where, text) => {
  test.each([
    'enable_core_scheduling = true',
    'virtio_fs_nosuid = true',
    'disable_guest_seccomp = false',
    'sandbox_cgroup_only = true',
  ])('a wall has no effect and is an error: %s', (line) => {
    const { code, said } = outcome(text(line))
    expect(code).toBe('CONFIG_WALL_MISSPELLED')
    expect(said[0]).toContain(`/c.toml:${text(line).split('\n').length}: `)
  })

  test('a protection that kata-ts does not have is refused, and what asks for nothing is a warning', () => {
    const { code, said } = outcome(text('confidential_guest = true'))
    expect(code).toBe('CONFIG_UNSUPPORTED')
    expect(said[0]).toContain('confidential guests are not supported')
    for (const line of ['confidential_guest = false', 'x = 1']) {
      const harmless = outcome(text(line))
      expect(harmless.code).toBeUndefined()
      expect(harmless.said).toEqual([expect.stringContaining('has no effect')])
    }
  })
})

test('a protection that kata-ts does not have is refused with a slip, too', () => {
  for (const line of ['confidental_guest = true', 'Sev_Snp_Guest = true', 'kernel_verity_param = "x"']) {
    const { code, said } = outcome(`[hypervisor.qemu]\n${line}\n`)
    expect([line, code]).toEqual([line, 'CONFIG_UNSUPPORTED'])
    expect(said[0]).toContain(`/c.toml:2: hypervisor.qemu.${line} cannot be granted: it resembles `)
  }
})

test('a slip in any other key stays a warning', () => {
  const { code, said } = outcome('[hypervisor.qemu]\ndefault_memroy = 300\n')
  expect(code).toBeUndefined()
  expect(said).toEqual([expect.stringContaining('did you mean default_memory?')])
})
