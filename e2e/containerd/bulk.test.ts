// test:vmm: every VMM
/** Many pods: at once and one after the other. Nothing of them may be left. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { rmSync, writeFileSync } from 'node:fs'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { configuration } from '../harness/configuration.ts'
import { ownDirectory } from '../harness/directories.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { slow } from '../harness/time.ts'
import { Containerd } from './containerd.ts'

let containerd: Containerd
let directory: string
let before: HostState
beforeAll(async () => {
  directory = ownDirectory('/var/lib/kata-ts-e2e-conf-')
  const configPath = `${directory}/small.toml`
  writeFileSync(
    configPath,
    // Six machines at once come up slowly where they are emulated.
    configuration(
      '[hypervisor.qemu]\nrootless = true\ndefault_memory = 128\n[agent.kata]\ndial_timeout = 200\n',
    ),
  )
  containerd = await Containerd.start({ handlers: { small: { configPath } } })
  // The first pod makes the bridge of all.
  await (await containerd.cri.runPod({ handler: 'runc' })).remove()
  before = hostState(defaultRunDir)
})
afterAll(async () => {
  await containerd.close()
  rmSync(directory, { recursive: true })
})

const run = () => containerd.cri.runPod({ handler: 'small' })
const indices = (count: number) => Array.from({ length: count }, (_, index) => index)

test(
  '6 pods of 2 containers at once',
  async () => {
    const pods = await Promise.all(indices(6).map(run))
    const started = await Promise.all(
      pods.map(async (pod) => {
        const containers = [await pod.start(['sleep', '1000']), await pod.start(['sleep', '1000'])]
        return { pod, containers, pid: await pod.pid() }
      }),
    )
    expect(new Set(started.map(({ pid }) => pid)).size).toBe(6)
    // Calibrated on a busy host, clocks of emulated guests have run many times too fast.
    for (const { pod, containers } of started) {
      const guestSeconds = Number((await pod.exec(containers[0]!, ['date', '+%s'])).stdout)
      expect(Math.abs(guestSeconds - Date.now() / 1000)).toBeLessThan(30)
    }
    const answers = await Promise.all(
      started.flatMap(({ pod, containers }) =>
        containers.map(
          async (id) => (await pod.exec(id, ['hostname'])).stdout.trim() === pod.config.hostname,
        ),
      ),
    )
    expect(answers).toEqual(indices(12).map(() => true))
    await Promise.all(pods.map((pod) => pod.remove()))
    await expectNothingLeft(before, defaultRunDir)
  },
  slow(300_000),
)

test(
  '4 pods in a row, two rows side by side',
  async () => {
    const row = async (count: number) => {
      for (const index of indices(count)) {
        const pod = await run()
        const id = await pod.start(['sh', '-c', 'exec sleep 1000'])
        expect((await pod.exec(id, ['echo', String(index)])).stdout).toBe(`${index}\n`)
        await pod.remove()
      }
    }
    await Promise.all([row(2), row(2)])
    await expectNothingLeft(before, defaultRunDir)
  },
  slow(900_000),
)
