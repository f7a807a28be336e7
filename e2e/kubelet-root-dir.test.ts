// test:vmm: qemu, clh
/** A kubelet with another root directory: the volumes that it made keep set-id bits, and with the usual one they do not. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { Kata, scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { shippedConfiguration } from './harness/vmm.ts'

setDefaultTimeout(slow(60_000))

const kata = new Kata()
const area = scratch()
const kubelet = `${area.path}/kubelet`
const volume = `${kubelet}/pods/6b1f/volumes/kubernetes.io~empty-dir/scratch`

beforeAll(() => {
  mkdirSync(volume, { recursive: true })
  chmodSync(`${kubelet}/pods`, 0o750)
})
afterAll(async () => {
  await kata.close()
  area[Symbol.dispose]()
})

test.each([
  ['that directory', kubelet, 0, '4755\n'],
  ['the usual one', '/var/lib/kubelet', 1, ''],
])('kubelet_root_dir is %s', async (_, directory, code, stdout) => {
  const configuration = `${area.path}/configuration.toml`
  const text = shippedConfiguration().replace(/^kubelet_root_dir = .*$/m, `kubelet_root_dir = "${directory}"`)
  writeFileSync(configuration, text)
  const script = 'touch /data/program && chmod 4755 /data/program && stat -c %a /data/program'
  const outcome = await kata.run(['sh', '-c', script], {
    flags: ['--config', configuration, '-v', `${volume}:/data`],
  })
  expect(outcome).toMatchObject({ code, stdout })
  if (code !== 0) expect(outcome.stderr).toContain('Operation not permitted')
})
