/** What every VMM driver must do, whichever it is: a real jail and a real guest, no sandbox around it. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connectAgent } from '../../src/agent/connection.ts'
import { processResource } from '../../src/ledger/process-resource.ts'
import { isAlive, readStatus } from '../../src/linux/processes/proc.ts'
import { silentLogger } from '../../src/log.ts'
import { differs } from '../../src/rootless/posture/posture-check.ts'
import { auditRecords } from '../../src/sandbox/records/audit.ts'
import { createVmm } from '../../src/vmm/create.ts'
import { vmEndError } from '../../src/vmm/monitor/end-error.ts'
import type { VmEnd, Vmm } from '../../src/vmm/vmm.ts'
import type { VmmUnderTest } from '../harness/vmm.ts'
import { serveShare } from './share.ts'
import { bootLimitMs, MachineStage, reasonAgainst } from './stage.ts'

/** How drivers differ where anybody can see it. */
export interface Differences {
  /** Sockets of root's in the private directory before the guest runs, sorted. */
  readonly sockets: readonly string[]
  /** What else is there. */
  readonly directories?: readonly string[]
  /** What another program in the VMM's place is refused with. */
  readonly otherProgram?: string | RegExp
  /** Processes that audits know beside the VMM's. */
  readonly around?: readonly string[]
  /** How its guest switches itself off. */
  readonly switchesOff?: VmEnd['reason']
  /** What becomes of a user that is no change. */
  readonly noUser?: RegExp
}

/** Boots it and waits for the agent's first answer. */
export async function bootWithAgent(vmm: Vmm) {
  const agent = await connectAgent(vmm.agent, { log: silentLogger })
  await vmm.boot()
  await agent.waitReady({ timeoutMs: bootLimitMs })
  return agent
}

/** setpriv(1) takes -1 as the kernel does, as "no change", and says nothing: the VMM is root then. */
const unnoticed = /^\[POSTURE_DIFFERS\].*uid of (thread \d+|\d+ threads) is "0 0 0 0"/

export function machineSuite(vmm: VmmUnderTest, differences: Differences): void {
  // In a block of its own: its hooks must not run around other tests of the file.
  describe(`every driver: ${vmm.driver}`, () => defineSuite(vmm, differences))
}

function defineSuite(
  vmm: VmmUnderTest,
  {
    sockets,
    directories = [],
    otherProgram = '[VMM_EXITED]',
    noUser = unnoticed,
    switchesOff = 'shutdown',
    around = ['vmm-waiter'],
  }: Differences,
): void {
  const cannot = reasonAgainst(vmm)
  const noShare = vmm.driver === 'firecracker' ? ' (skipped: the VMM has no shared file system)' : cannot
  let stage: MachineStage
  beforeEach(async () => {
    stage = await MachineStage.open(vmm)
  })
  afterEach(() => stage[Symbol.asyncDispose]())

  const nothingLeft = () => {
    expect(stage.ledger.dataOf(processResource)).toEqual([])
    expect(readdirSync(stage.privateDir)).toEqual([])
  }

  /** Starts a machine and gives up after that many milliseconds; tells whether it was not up by then. */
  const giveUpAfter = async (ms: number): Promise<boolean> => {
    const abort = new AbortController()
    const machine = await createVmm({ ...stage.options(), signal: abort.signal })
    const started = machine.start().then(
      () => 'up',
      (error: Error) => error.message,
    )
    if (ms > 0) await Promise.race([started, Bun.sleep(ms)])
    abort.abort(new Error('given up'))
    const outcome = await started
    if (outcome === 'up') await machine.stop()
    expect(outcome).toBeOneOf(['up', 'given up'])
    return outcome !== 'up'
  }

  /** What an audit finds: the VMM is as it was asked to be, or may be by now. */
  const nothingDiffers = async () => {
    const audited = await auditRecords(`${stage.runDir}/state`)
    expect(audited.map(({ name, rows }) => [name, rows.filter(differs)])).toEqual(
      ['vmm', ...around].map((name) => [name, []]),
    )
  }

  describe.skipIf(cannot !== '')(`a guest${cannot}`, () => {
    test(
      'comes up in a confined VMM and leaves nothing',
      async () => {
        const machine = await stage.create()
        const { ref } = await machine.start()
        const { privateDir, identity } = stage
        expect(readdirSync(privateDir).sort()).toEqual([...sockets, ...directories, 'pid'].sort())
        expect(readFileSync(`${privateDir}/pid`, 'utf8')).toBe(`${ref.pid}\n`)
        for (const name of sockets)
          expect(statSync(`${privateDir}/${name}`)).toMatchObject({ uid: 0, gid: 0, mode: 0o140600 })
        expect(readStatus(`/proc/${ref.pid}/status`)?.get('Uid')).toBe(Array(4).fill(identity.uid).join('\t'))
        const agent = await bootWithAgent(machine)
        await nothingDiffers()
        agent.close()
        await machine.stop()
        expect(isAlive(ref)).toBe(false)
        nothingLeft()
        expect((await machine.ended).reason).toBe('exited')
      },
      bootLimitMs,
    )

    test(
      'that panics is reported with what its console said, and is not started anew',
      async () => {
        const initrd = `${stage.runDir}/corrupt`
        writeFileSync(initrd, Buffer.concat([Buffer.from('070701'), Buffer.alloc(4096, 'x')]))
        const machine = await stage.create({ initrd })
        const { ref } = await machine.start()
        await machine.boot()
        const end = await machine.ended
        expect(end.reason).toBe('guest-panicked')
        expect(vmEndError(end, 'vmm-test', vmm.path).message).toContain('Unable to mount root fs')
        expect(isAlive(ref)).toBe(false)
        await machine.stop()
        nothingLeft()
      },
      bootLimitMs,
    )

    test(
      'that switches itself off is told apart from one that dies',
      async () => {
        const machine = await stage.create()
        await machine.start()
        const agent = await bootWithAgent(machine)
        await agent.agent.destroySandbox({})
        expect(await machine.ended).toMatchObject({ reason: switchesOff, exit: { code: 0 } })
        agent.close()
        await machine.stop()
      },
      bootLimitMs,
    )

    test.skipIf(noShare !== '')(
      `mounts a share, and writes it${noShare}`,
      async () => {
        await using share = await serveShare(stage)
        const machine = await stage.create({ share: share.attachment })
        await machine.start()
        const connection = await bootWithAgent(machine)
        const mountPoint = '/run/kata-containers/shared/containers'
        const storage = { driver: 'virtio-fs', source: 'kataShared', fstype: 'virtiofs', mountPoint }
        const names = { sandboxId: 'vmm-test', hostname: 'vmm-test' }
        await connection.agent.createSandbox({ ...names, storages: [storage] })
        const data = Buffer.from('from the guest')
        const path = `${mountPoint}/hello`
        await connection.agent.copyFile({ path, fileSize: BigInt(data.length), fileMode: 0o100644, data })
        expect(readFileSync(`${share.directory}/hello`, 'utf8')).toBe('from the guest')
        await nothingDiffers()
        connection.close()
        await machine.stop()
      },
      bootLimitMs,
    )
  })

  describe('a VMM', () => {
    test.skipIf(cannot !== '')(`whose start is given up leaves nothing${cannot}`, async () => {
      // At every moment of the start there is, roughly, up to one that comes too late.
      let moments = 0
      for (let ms = 0, wasInTime = true; wasInTime; ms += 1 + (ms >> 2), moments += 1) {
        wasInTime = await giveUpAfter(ms)
        nothingLeft()
      }
      expect(moments).toBeGreaterThan(1)
    })

    test.skipIf(cannot !== '')(`that is killed is noticed${cannot}`, async () => {
      const machine = await stage.create()
      const { ref } = await machine.start()
      process.kill(ref.pid, 'SIGKILL')
      expect(await machine.ended).toMatchObject({ reason: 'exited', exit: { signal: 'SIGKILL' } })
      await expect(machine.boot()).rejects.toThrow(/^\[VMM_EXITED\].*SIGKILL/)
      await machine.stop()
      nothingLeft()
    })

    test.each([
      ['is missing', '/usr/bin/vmm-of-tomorrow', '[VMM_MISSING]'],
      ['is another program', '/usr/bin/true', otherProgram],
    ] as [string, string, string | RegExp][])('that %s is refused', async (_, path, code) => {
      await expect((await stage.create({}, path)).start()).rejects.toThrow(code)
      nothingLeft()
    })

    test('whose place is taken is not started', async () => {
      writeFileSync(`${stage.privateDir}/${[...sockets, ...directories][0]}`, '')
      await expect((await stage.create()).start()).rejects.toThrow(/EADDRINUSE|EEXIST/)
    })

    test('whose sockets would have too long a path is not started', async () => {
      const privateDir = `${stage.runDir}/${'x'.repeat(90)}`
      mkdirSync(privateDir)
      await expect((await stage.create({ privateDir })).start()).rejects.toThrow('[SOCKET_PATH_TOO_LONG]')
      expect(readdirSync(privateDir)).toEqual([])
    })

    test.skipIf(cannot !== '')(`whose change of user did not happen is not let run${cannot}`, async () => {
      const identity = { ...stage.identity, uid: 0xffffffff }
      const start = (await stage.create({ identity })).start()
      await expect(start).rejects.toThrow(noUser)
      nothingLeft()
    })
  })

  test('its private directory is its user’s, and its mode is written in octal', () => {
    const { uid, gid } = stage.identity
    // Decimal 750 or hexadecimal 0x750 would let others in, or set odd bits.
    expect(statSync(stage.privateDir)).toMatchObject({ uid, gid, mode: 0o040700 })
  })
}
