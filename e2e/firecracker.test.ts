// test:vmm: firecracker
/**
 * Firecracker: the real program and its jailer where there are both, else their doubles; real guests. What every driver must
 * do: machine/suite.ts. The pods here share one machine where they can.
 */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  closeSync,
  cpSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { processesOfUid, processRef, readProc, readStatus } from '../src/linux/processes/proc.ts'
import { signalProcess } from '../src/linux/processes/signal.ts'
import { readPosture } from '../src/rootless/posture/posture.ts'
import { createVmm } from '../src/vmm/create.ts'
import { makeJail, removeJail } from '../src/vmm/firecracker/jail-files.ts'
import { launchByJailer } from '../src/vmm/firecracker/jailer.ts'
import { jailerArguments, jailPlace } from '../src/vmm/firecracker/program.ts'
import { parse, runAsRoot } from './attack/stage.ts'
import { eventually } from './harness/kata.ts'
import { findVmm } from './harness/vmm.ts'
import { bootLimitMs, MachineStage, releaseStage } from './machine/stage.ts'
import { bootWithAgent, machineSuite } from './machine/suite.ts'

const firecracker = await findVmm('firecracker')
machineSuite(firecracker, {
  sockets: [],
  directories: ['jail'],
  // Whichever is seen first: what the jailer says of it, or that nothing runs.
  otherProgram: /^\[(JAIL_FAILED|VMM_EXITED)\].*Failed to exec into Firecracker/s,
  // It ends by a restart: it has no power to switch off.
  switchesOff: 'reset',
  around: ['vmm-first', 'vmm-holder'],
  // Whether it is gone before it was looked at is a matter of moments.
  noUser: /^\[(VMM_EXITED|JAIL_FAILED)\].*Invalid argument/s,
})

const realOnly = firecracker.isDouble ? '' : ' (skipped: it is the double that is changed here)'

describe('a machine of Firecracker', () => {
  let stage: MachineStage
  beforeEach(async () => {
    stage = await MachineStage.open(firecracker)
  })
  afterEach(() => stage[Symbol.asyncDispose]())

  test(
    'is confined as its jailer can: ids of its own, no group, no capability in use, own namespaces, a root with little in it',
    async () => {
      const machine = await stage.create()
      const { ref } = await machine.start()
      const before = readPosture(ref.pid)
      const agent = await bootWithAgent(machine)
      const { threads, mounts, interfaces, limits } = readPosture(ref.pid)
      const { uid } = stage.identity
      const none = '0'.repeat(16)
      for (const thread of [...before.threads, ...threads])
        expect(thread).toMatchObject({
          uid: Array(4).fill(uid),
          gid: Array(4).fill(uid),
          groups: [],
          noNewPrivs: 1,
          capabilities: {
            CapInh: none,
            CapPrm: none,
            CapEff: none,
            CapAmb: none,
            CapBnd: '00000000082400e3',
          },
        })
      // Its own filter is on the thread that serves the API from the start, and on all once the guest runs.
      expect(before.threads.some(({ seccomp }) => seccomp === 2)).toBe(true)
      for (const { seccomp } of threads) expect(seccomp).toBe(2)
      const own = readPosture(process.pid).threads[0]!.namespaces
      for (const kind of ['mnt', 'ipc', 'uts', 'net', 'pid'] as const)
        for (const { namespaces } of threads) expect(namespaces[kind]).not.toBe(own[kind])
      expect(mounts).toEqual([
        { point: '/', flags: ['nosuid'] },
        { point: '/drives', flags: ['noexec', 'nosuid'] },
        { point: '/initrd', flags: ['nodev', 'noexec', 'nosuid', 'ro'] },
        { point: '/vmlinux', flags: ['nodev', 'noexec', 'nosuid', 'ro'] },
      ])
      expect(interfaces).toEqual(['lo'])
      expect(limits).toMatchObject({ core: '0:0', nofile: '1024:1024', nproc: '1024:1024' })
      const root = `/proc/${ref.pid}/root`
      for (const node of ['dev/kvm', 'dev/net/tun', 'dev/urandom'])
        expect(statSync(`${root}/${node}`)).toMatchObject({ uid, gid: uid, mode: 0o020600 })
      // Its jailer makes more where the kernel has it: /dev/userfaultfd.
      expect(readdirSync(`${root}/dev`).sort()).toEqual(['kvm', 'net', 'urandom'])
      expect(statSync(`${root}/drives`)).toMatchObject({ uid: 0, mode: 0o040711 })
      // Nothing of the host's own node was changed.
      expect(statSync('/dev/kvm').uid).toBe(0)
      agent.close()
      await machine.stop()
      expect(readdirSync(stage.privateDir)).toEqual([])
    },
    bootLimitMs,
  )

  test(
    'has two processes around it that may do nothing, and go with it',
    async () => {
      const machine = await stage.create()
      const { ref } = await machine.start()
      const parentOf = (pid: number) => Number(readStatus(`/proc/${pid}/status`)!.get('PPid'))
      const first = parentOf(ref.pid)
      const around = [first, parentOf(first)]
      const { uid } = stage.identity
      const none = '0'.repeat(16)
      for (const pid of around) {
        // What a shell has become is confined as it was itself, and its descriptors are the same a moment before.
        const sleeps = () => readProc(`/proc/${pid}/cmdline`)?.endsWith('sleep\0infinity\0')
        await eventually('it to sleep', () => sleeps() || undefined)
        const { threads, descriptors } = readPosture(pid)
        expect(threads).toEqual([
          expect.objectContaining({
            uid: Array(4).fill(uid),
            gid: Array(4).fill(uid),
            groups: [],
            noNewPrivs: 1,
            capabilities: {
              CapInh: none,
              CapPrm: none,
              CapEff: none,
              CapAmb: none,
              CapBnd: '00000000082400e3',
            },
          }),
        ])
        expect(new Set(Object.values(descriptors))).toEqual(new Set(['/dev/null']))
      }
      await machine.stop()
      expect(processesOfUid(uid)).toEqual([])
    },
    bootLimitMs,
  )

  test(
    'is found behind a link, whose file may have any name',
    async () => {
      const [file, link] = [`${stage.programDir}/fc-of-another-name`, `${stage.programDir}/firecracker`]
      cpSync(firecracker.path, file)
      symlinkSync(file, link)
      const machine = await stage.create({}, link)
      await machine.start()
      ;(await bootWithAgent(machine)).close()
      await machine.stop()
      expect(readdirSync(stage.privateDir)).toEqual([])
    },
    bootLimitMs,
  )

  test(
    'ends with a guest that is switched off, though it has no power to switch off',
    async () => {
      // What ends by a power-off here, because nobody told it of the restart.
      const machine = await stage.create({ kernelParams: ['agent.power_off=acpi'] })
      await machine.start()
      const agent = await bootWithAgent(machine)
      await agent.agent.destroySandbox({})
      expect(await machine.ended).toMatchObject({ reason: 'shutdown' })
      agent.close()
      await machine.stop()
    },
    bootLimitMs,
  )

  test('that dies while its machine is made is told as that', async () => {
    const machine = await stage.create()
    const { ref } = await machine.start()
    process.kill(ref.pid, 'SIGSTOP')
    const booted = machine.boot()
    process.kill(ref.pid, 'SIGKILL')
    await expect(booted).rejects.toThrow(/^\[VMM_EXITED\].*SIGKILL/)
    expect(readdirSync(stage.privateDir)).toEqual([])
  })

  test(
    'what it has to say is in its log, and the guest’s console is the guest’s',
    async () => {
      const machine = await stage.create()
      await machine.start()
      const agent = await bootWithAgent(machine)
      const fd = openSync('/dev/null', 'r')
      const disk = { id: 'wrong', name: 'wrong', fd, kind: 'block', bus: 'virtio-mmio' } as const
      await expect(machine.plugDisk({ ...disk, readonly: false, direct: false })).rejects.toThrow(
        /^\[VMM_COMMAND_FAILED\].*Error manipulating the backing file/,
      )
      closeSync(fd)
      const said = (name: string) => readFileSync(`${stage.runDir}/state/${name}.log`, 'utf8')
      await eventually('the log', () => said('vmm').includes('backing file') || undefined)
      expect(said('console')).toContain('kata-agent')
      expect(said('console')).not.toContain('backing file')
      agent.close()
      await machine.stop()
    },
    bootLimitMs,
  )

  test('more cards than it has room for are refused before there is a process', async () => {
    const nics = Array.from({ length: 7 }, (_, index) => ({
      id: `n${index}`,
      mac: '02:00:00:00:00:01',
      mtu: 1500,
      taps: [],
      tap: `t${index}`,
    }))
    await expect((await stage.create({ nics })).start()).rejects.toThrow(
      /^\[VMM_OPTION_INVALID\].*room for 6/,
    )
    expect(readdirSync(stage.privateDir)).toEqual([])
  })

  test(
    'does not outlive whoever started it',
    async () => {
      const program = `
      import { findVmm } from '${import.meta.dir}/harness/vmm.ts'
      import { MachineStage } from '${import.meta.dir}/machine/stage.ts'
      const stage = await MachineStage.open(await findVmm('firecracker'))
      const { ref } = await (await stage.create()).start()
      const { runDir, programDir } = stage
      console.log(JSON.stringify({ pid: ref.pid, left: { runDir, programDir } }))
      await new Promise(() => {})`
      const child = Bun.spawn([process.execPath, '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
      const reader = child.stdout.getReader()
      const { pid, left } = JSON.parse(new TextDecoder().decode((await reader.read()).value))
      const ref = processRef(pid)!
      // D: it may be reading a page of its file just now.
      expect(readStatus(`/proc/${pid}/status`)?.get('State')).toMatch(/^[DRS]/)
      child.kill('SIGKILL')
      await child.exited
      await eventually('the VMM to go', () => processRef(pid)?.startTime !== ref.startTime || undefined)
      await releaseStage(left)
    },
    bootLimitMs,
  )

  test.skipIf(realOnly !== '')(`a version that is too old is refused by name${realOnly}`, async () => {
    const old = makeOlder('1.07.9')
    await expect((await stage.create({}, old)).start()).rejects.toThrow(
      `[VMM_TOO_OLD] ${old} is Firecracker 1.7.9; kata-ts needs 1.8.0 or later`,
    )
    expect(readdirSync(stage.privateDir)).toEqual([])
  })

  test.skipIf(realOnly !== '')(`one too old for what is asked of it, too${realOnly}`, async () => {
    const old = makeOlder('1.13.9')
    const options = stage.options({}, old)
    const hypervisor = { ...options.config.hypervisor, reclaimGuestFreedMemory: true }
    await expect((await createVmm({ ...options, config: { hypervisor } })).start()).rejects.toThrow(
      `[VMM_TOO_OLD] ${old} is Firecracker 1.13.9; kata-ts needs 1.14.0 or later`,
    )
    expect(readdirSync(stage.privateDir)).toEqual([])
  })

  /** The double with another version in it. */
  function makeOlder(version: string): string {
    const old = `${stage.programDir}/firecracker`
    const bytes = readFileSync(firecracker.path)
    for (let at = bytes.indexOf('1.16.1'); at >= 0; at = bytes.indexOf('1.16.1', at)) bytes.write(version, at)
    writeFileSync(old, bytes, { mode: 0o755 })
    return old
  }

  test('what stands in its place in the jail gets nowhere, by the walls of the jailer alone', async () => {
    const attacker = `${stage.programDir}/firecracker-attacker`
    const source = `${import.meta.dir}/attack/attacker.c`
    expect(Bun.spawnSync(['gcc', '-O1', '-static', '-o', attacker, source]).exitCode).toBe(0)
    const abstract = `kt-fc-attack-${process.pid}`
    const service = Bun.listen({ unix: `\0${abstract}`, socket: { data() {} } })
    /** Act, what becomes of it in the jail, and of the same by root outside: what is not there outside has no second. */
    const acts: readonly [act: string, jailed: string, asRoot?: string][] = [
      ['open-read /etc/shadow', 'ENOENT', 'ok'],
      ['stat ../../../../etc/passwd', 'ENOENT', 'ok'],
      ['list /old_root', 'ENOENT'],
      ['open-write /drives/empty', 'ok'],
      ['create /drives/planted', 'EACCES'],
      ['open-write /vmlinux', 'EACCES'],
      ['exec /usr/bin/sh -c :', 'ENOENT', 'ok'],
      ['mount none /dev tmpfs 0 0', 'EPERM', 'ok'],
      ['chroot /', 'EPERM', 'ok'],
      ['unshare 0x40000000', 'EPERM', 'ok'],
      ['setuid 0', 'EPERM', 'ok'],
      ['setgroups 6', 'EPERM', 'ok'],
      ['capset', 'EPERM', 'ok'],
      ['socket 2 3 1', 'EPERM', 'ok'],
      [`connect-abstract ${abstract}`, 'ECONNREFUSED', 'ok'],
    ]
    const { spec, config } = stage.options({}, attacker)
    const place = jailPlace(attacker, spec.privateDir, spec.identity)
    makeJail(place, spec, attacker)
    const output = openSync(`${stage.runDir}/attacks`, 'a')
    try {
      const jailing = { execFile: attacker, identity: spec.identity, place, debug: false }
      const args = jailerArguments(jailing)
      // One that ended at once might be gone before anybody looked at it.
      const words = [...args.slice(0, args.indexOf('--') + 1), ...acts.map(([act]) => act), 'stay']
      const jailer = config.hypervisor.jailerPath
      const { ref, exited } = await launchByJailer(
        { jailer, args: words, uid: spec.identity.uid, stdout: output, stderr: output },
        {},
      )
      const results = await eventually('the last act', () => {
        const told = parse(readFileSync(`${stage.runDir}/attacks`, 'utf8'))
        return told.has(acts.at(-1)![0]) ? told : undefined
      })
      signalProcess(ref, 'SIGKILL')
      await exited
      expect(acts.map(([act]) => [act, results.get(act)])).toEqual(acts.map(([act, result]) => [act, result]))
      const outside = acts.filter(([, , asRoot]) => asRoot !== undefined)
      const control = runAsRoot(
        attacker,
        outside.map(([act]) => act),
      )
      expect(outside.map(([act]) => [act, control.get(act)])).toEqual(
        outside.map(([act, , asRoot]) => [act, asRoot]),
      )
    } finally {
      closeSync(output)
      service.stop(true)
      removeJail(place)
    }
  })

  test('what the jailer says is told when it refuses', async () => {
    const options = stage.options()
    const identity = { ...options.spec.identity, name: 'no_underscores' }
    const start = (await stage.create({ identity })).start()
    await expect(start).rejects.toThrow(/^\[JAIL_FAILED\].*\(exit code 1\).*nvalid instance ID/s)
    expect(readdirSync(stage.privateDir)).toEqual([])
  })
})
