/** What a person learns of the accelerator: at every start, of a machine that runs, and before there is any. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { copyFileSync, writeFileSync } from 'node:fs'
import { root } from '../setup/paths.ts'
import { requireImage } from '../src/guest-image/guest-image.ts'
import { listPids, readProc, readStatus } from '../src/linux/processes/proc.ts'
import { kvmObstacle } from '../src/vmm/kvm/kvm-obstacle.ts'
import { emulationWarning, eventually, Kata, scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { hypervisorTable, vmm } from './harness/vmm.ts'

const noChoice = vmm.driver === 'qemu' ? '' : `${vmm.driver} knows KVM only`
/** Why `auto` is TCG on this host, if a glance tells. */
const obstacle = kvmObstacle({ byGroup: true })?.reason
const canTry = obstacle === undefined ? '' : `KVM cannot be tried here: ${obstacle}`
const cannotSee = obstacle === undefined ? 'nothing is in the way of KVM here' : ''
for (const reason of new Set([noChoice, canTry, cannotSee]))
  if (reason !== '') console.log(`skipped: ${reason}`)

const isShippedSkipped = noChoice !== '' || cannotSee !== ''
let kata: Kata
let shippedKata: Kata | undefined
/** Begins at once: a trial of KVM may take 20 s, and the tests beside it do not touch its directories. */
let shipped: Promise<{ stderr: string; code: number }> | undefined
beforeAll(() => {
  kata = new Kata()
  if (isShippedSkipped) return
  shippedKata = new Kata()
  shipped = run(['--rm', '--config', `${root}/packaging/configuration.toml`], ['true'], shippedKata)
})
afterAll(async () => {
  await kata.close()
  await shippedKata?.close()
})

/** A start to its end, with all that it said. */
async function run(flags: readonly string[], command: readonly string[] = ['true'], by: Kata = kata) {
  const child = by.spawn(['run', ...flags, '--', ...command])
  const [stderr, code] = await Promise.all([new Response(child.stderr).text(), child.exited])
  return { stderr, code }
}
const json = async (...args: string[]) => JSON.parse((await kata.call([...args, '--format', 'json'])).stdout)

describe.skipIf(noChoice !== '')('auto', () => {
  test.skipIf(cannotSee !== '')('without KVM says so at every start, and why', async () => {
    for (let start = 0; start < 2; start++) {
      const { stderr, code } = await run(['--rm'])
      expect(code).toBe(0)
      expect(stderr).toMatch(emulationWarning)
      expect(stderr).toContain(`no security boundary, because KVM cannot be used: ${obstacle}`)
    }
  })

  test.skipIf(cannotSee !== '')('so does a start that fails', async () => {
    const { stderr, code } = await run(['--rm'], ['no-such-command'])
    expect(code).toBe(127)
    expect(stderr).toMatch(emulationWarning)
  })

  test('ps, inspect, env and check name accelerator and reason', async () => {
    const { code } = await run(['-d', '--name', 'seen'], ['sleep', '1000'])
    expect(code).toBe(0)
    const [listed] = await json('ps')
    const { sandbox, warnings } = await kata.inspect('seen')
    const { Hypervisor } = await json('env')
    const checks = (await json('check')).checks as { name: string; detail: string }[]
    const detail = checks.find(({ name }) => name === 'accelerator')!.detail
    expect(listed).toMatchObject({
      accelerator: sandbox.accelerator,
      acceleratorReason: sandbox.acceleratorReason,
    })
    expect(warnings.length).toBe(sandbox.accelerator === 'tcg' ? 1 : 0)
    expect(Hypervisor.Accelerator).toBe('auto')
    if (obstacle !== undefined || sandbox.accelerator === 'kvm') {
      expect(Hypervisor.AcceleratorInUse).toBe(sandbox.accelerator)
      expect(Hypervisor.AcceleratorReason).toBe(sandbox.acceleratorReason)
      expect(detail).toStartWith(`${sandbox.accelerator} (${sandbox.acceleratorReason})`)
    }
    const table = (await kata.call(['ps'])).stdout
    expect(table).toMatch(new RegExp(`ACCELERATOR.*\\nseen .* ${sandbox.accelerator} `))
    expect((await kata.call(['rm', '-f', 'seen'])).code).toBe(0)
  })

  test.skipIf(canTry !== '')(
    'tries KVM by a machine of its own: another user, outside the sandbox’s cgroups, and gone before it',
    async () => {
      using directory = scratch()
      const file = `${directory.path}/configuration.toml`
      // A kernel of its own, with which nothing was tried yet.
      const kernel = `${directory.path}/vmlinux`
      copyFileSync(requireImage().kernel, kernel)
      const table = hypervisorTable(`kernel = "${kernel}"\n[runtime]\nsandbox_cgroup_only = true\n`)
      // Whatever the tests of this run are told to use.
      writeFileSync(file, table.replace(/^accelerator = .*$/m, 'accelerator = "auto"'))
      try {
        const starting = kata.call(['run', '-d', '--name', 'tried', '--config', file, '--', 'sleep', '1000'])
        const machine = () =>
          listPids()
            .filter((pid) => readProc(`/proc/${pid}/cmdline`)?.includes('\0sandbox-tried,'))
            .map((pid) => ({
              pid,
              uid: readStatus(`/proc/${pid}/status`)?.get('Uid')?.split('\t')[0],
              cgroup: readProc(`/proc/${pid}/cgroup`) ?? '',
              share: readProc(`/proc/${pid}/cmdline`)?.includes('vhost-user-fs-pci') ?? false,
            }))
            .find(({ uid }) => uid !== undefined && uid !== '0')
        const trial = await eventually('the trial’s machine', machine, slow(120_000))
        expect((await starting).code).toBe(0)
        const own = machine()!
        expect(own.pid).not.toBe(trial.pid)
        expect(own.uid).not.toBe(trial.uid)
        expect(own.cgroup).toContain('kata_tried')
        expect(trial.cgroup).not.toContain('kata_tried')
        expect(trial.share).toBe(false)
      } finally {
        await kata.call(['rm', '-f', 'tried'])
      }
    },
    slow(300_000),
  )
})

test.skipIf(noChoice !== '')('TCG that was asked for by name is nothing to warn of', async () => {
  const { stderr, code } = await run(['--rm', '--accelerator', 'tcg'])
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
})

test.skipIf(isShippedSkipped)('the file that we ship starts nothing without KVM', async () => {
  const { stderr, code } = (await shipped)!
  expect(code).toBe(125)
  // Where a machine dies in KVM, these are QEMU's words.
  expect(stderr).toMatch(/KVM/i)
  expect(stderr).not.toContain('TCG emulation')
})
