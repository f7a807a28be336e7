/** A start whose VMM runs, is confined as asked, and says nothing. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { builtInConfig } from '../config/load.ts'
import { Ledger } from '../ledger/ledger.ts'
import { processResource } from '../ledger/process-resource.ts'
import { processesOfUid } from '../linux/processes/proc.ts'
import { systemTool } from '../linux/processes/which.ts'
import { silentLogger } from '../log.ts'
import { baseSyscalls } from '../rootless/filters/base-syscalls.ts'
import type { LaunchSpec } from '../rootless/jail/launch-spec.ts'
import { expectedPosture } from '../rootless/posture/posture-check.ts'
import { withDeadline } from './monitor/answers.ts'
import type { VmmOptions } from './vmm.ts'
import { VmmProcess } from './vmm-process.ts'

/** Of no other test. */
const uid = 0x6f000000 + 65_532
const identity = { name: 'kata-0', uid, gid: uid, groups: [] }
const program = systemTool('sleep')
let stateDir: string
let output: number
beforeEach(() => {
  stateDir = mkdtempSync(`${tmpdir()}/vmm-process-`)
  mkdirSync(`${stateDir}/private`)
  output = openSync('/dev/null', constants.O_RDWR)
})
afterEach(() => {
  closeSync(output)
  rmSync(stateDir, { recursive: true })
})

/** Nobody answers: the time for that is over at once. */
const neverAnswers = () => withDeadline(new Promise<never>(() => {}), 'qmp_capabilities', 1)

test('a VMM that runs, is confined as asked and says nothing is ended, and the start says so', async () => {
  const ledger = new Ledger(`${stateDir}/ledger.jsonl`, [processResource], silentLogger)
  const { hypervisor } = builtInConfig()
  const config = { hypervisor: { ...hypervisor, path: program } }
  const spec = { sandboxId: 'mute', identity, stateDir, privateDir: `${stateDir}/private` }
  const options = { spec, config, ledger, log: silentLogger } as unknown as VmmOptions
  const vmm = new VmmProcess(options, {
    name: 'QEMU',
    install: 'apt',
    minimum: { major: 1, minor: 0, micro: 0 },
  })
  const launched: LaunchSpec = {
    program,
    args: ['infinity'],
    identity,
    paths: [],
    fds: [],
    output,
    stateDir,
    syscalls: { allowed: baseSyscalls },
    landlock: 'best-effort',
  }
  let confined: number[] = []
  const start = vmm.start({
    async run() {
      await vmm.launch(launched, [])
      await vmm.confirm(expectedPosture(launched, { seccompFilters: 1 }))
      confined = processesOfUid(uid)
      await neverAnswers()
    },
    giveUp: () => {},
    stop: () => vmm.end(async () => false),
  })
  await expect(start).rejects.toMatchObject({
    code: 'VMM_START_TIMEOUT',
    fields: { sandbox: 'mute', seconds: 0.001 },
    remedy: expect.stringContaining('start again later'),
  })
  expect(confined).toContain(vmm.pid)
  expect([processesOfUid(uid), ledger.held, readdirSync(spec.privateDir)]).toEqual([[], [], []])
})
