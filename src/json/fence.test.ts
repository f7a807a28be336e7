/** JSON comes in by the readers of this room, and what they made is never cast to another type. */
import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dir, '..')
const product = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !/(\.test|\.double)\.ts$|generated\//.test(name))
  .map((name) => ({ name, text: readFileSync(join(root, name), 'utf8') }))
const filesWith = (pattern: RegExp) =>
  product.filter(({ text }) => pattern.test(text)).map(({ name }) => name)

/** Who else parses JSON, and why it may. */
const others = {
  'config/daemon-args.ts': 'a value of the configuration; its type says in words what it allows',
  'config/value-types.ts': 'as above',
  'vmm/monitor/agent-log.ts': 'lines of the guest’s log, shown and not used',
  'vmm/monitor/answers.ts': 'answers of VMMs, with small readers and a code of their own',
  'vmm/http/api.ts': 'as above',
  'vmm/kvm/kvm-trial.ts': 'a note of its own, field by field',
}

test('nobody parses JSON but the readers, and those who are named with their reason', () => {
  expect(product.length).toBeGreaterThan(300)
  expect(filesWith(/JSON\.parse\(/).sort()).toEqual([...Object.keys(others), 'json/document.ts'].sort())
})

test('nobody casts a value to a type of the OCI specification', () => {
  const cast = /\bas (readonly )?(Oci[A-Z]\w*|DeviceRule)\b/
  expect(cast.test('readBundleSpec(bundle) as OciSpec')).toBe(true)
  expect(filesWith(cast)).toEqual([])
})
