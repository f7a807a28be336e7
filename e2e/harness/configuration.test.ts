/** What the environment asks of configurations, in processes of their own: the modules read it once. */
import { expect, test } from 'bun:test'

const written = (text: string, env: Record<string, string>): string => {
  const script = `import { configuration } from '${import.meta.dir}/configuration.ts'
    process.stdout.write(configuration(${JSON.stringify(text)}))`
  const { stdout, stderr } = Bun.spawnSync([process.execPath, '-e', script], { env })
  return stdout.toString() || stderr.toString()
}
const accelerator = { KATA_TS_E2E_ACCELERATOR: 'kvm' }

test('without a word kata-ts chooses the accelerator, and nothing else changes', () => {
  expect(written('[hypervisor.qemu]\n', {})).toBe('[hypervisor.qemu]\naccelerator = "auto"\n')
  expect(written('[runtime]\n', {})).toBe('[runtime]\n')
})

test('the accelerator goes into the table of QEMU, below what is there', () => {
  const text = '[hypervisor.qemu]\nrootless = true\n\n[runtime]\nenable_debug = true\n'
  expect(written(text, accelerator)).toBe(
    '[hypervisor.qemu]\nrootless = true\naccelerator = "kvm"\n\n[runtime]\nenable_debug = true\n',
  )
  expect(written('[hypervisor.qemu]\naccelerator = "auto"\n', accelerator)).toContain('= "kvm"')
})

test('a choice of the test’s own stands, and other VMMs have none', () => {
  for (const text of ['[hypervisor.qemu]\naccelerator = "tcg"\n', '[hypervisor.clh]\nrootless = true\n'])
    expect(written(text, accelerator)).toBe(text)
})

test('limits grow with the slowness', () => {
  const text = '[hypervisor.qemu]\nrootless = true\n[agent.kata]\ndial_timeout = 200\n'
  expect(written(text, { KATA_TS_E2E_SLOWNESS: '2.5' })).toBe(
    '[hypervisor.qemu]\nrootless = true\naccelerator = "auto"\n[agent.kata]\ndial_timeout = 300\n[runtime]\ncreate_container_timeout = 150\n',
  )
})

test.each([
  ['KATA_TS_E2E_ACCELERATOR', 'warp'],
  ['KATA_TS_E2E_SLOWNESS', '0'],
  ['KATA_TS_E2E_SLOWNESS', 'much'],
  ['KATA_TS_E2E_SLOWNESS', ''],
])('%s=%s is refused by name', (name, value) => {
  expect(written('', { [name]: value })).toContain(`${name} is `)
})
