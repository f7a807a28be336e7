// test:vmm: firecracker
/** Pods under Firecracker: what a pod has of it that it has of no other VMM. They share one machine where they can. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { cpSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { busyboxPath } from '../setup/paths.ts'
import { processesOfUid, readProc, readStatus } from '../src/linux/processes/proc.ts'
import { command, ip, TestNetns } from '../src/network/testing.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { eventually, Kata, scratch } from './harness/kata.ts'
import { findVmm, hypervisorTable } from './harness/vmm.ts'
import { bootLimitMs } from './machine/stage.ts'

const firecracker = await findVmm('firecracker')

describe('pods under Firecracker', () => {
  let kata: Kata
  let netns: TestNetns
  let before: HostState
  const volume = scratch()
  const shell = (script: string) => kata.call(['exec', 'pod', '--', 'sh', '-c', script])

  beforeAll(async () => {
    kata = new Kata(firecracker)
    mkdirSync(`${volume.path}/config/..one`, { recursive: true })
    writeFileSync(`${volume.path}/config/..one/key`, 'one')
    symlinkSync('..one', `${volume.path}/config/..data`)
    symlinkSync('..data/key', `${volume.path}/config/key`)
    writeFileSync(`${volume.path}/file`, Buffer.alloc(3_000_000, 'x'))
    netns = new TestNetns('kt-fc')
    netns.veth('eth0', 'kt-fc0')
    ip('addr add 10.81.0.1/24 dev kt-fc0')
    netns.address('eth0', '10.81.0.2/24')
    netns.ip('route add default via 10.81.0.1')
    before = hostState(kata.runDir)
    const network = ['--network', `ns:${netns.path}`]
    const flags = [
      ...network,
      '-v',
      `${volume.path}/config:/config:ro`,
      '-v',
      `${volume.path}/file:/etc/big:ro`,
    ]
    const started = await kata.call(['run', '-d', '--name', 'pod', ...flags, '--', 'sleep', '300'])
    expect(started).toEqual({ code: 0, stdout: started.stdout, stderr: '' })
  }, bootLimitMs)
  afterAll(async () => {
    await kata.close()
    netns[Symbol.dispose]()
    volume[Symbol.dispose]()
  })

  test('the root file system is a disk of the machine with the image in it, which takes writes', async () => {
    const { stdout } = await shell('mount | head -1; touch /new && ls -d /new /lost+found; stat -c %a /tmp')
    expect(stdout).toMatch(/^\/dev\/vda on \/ type ext4 \(rw/)
    expect(stdout).toContain('/new\n')
    expect(stdout).not.toContain('lost+found')
  })

  test('exit codes, streams and a terminal', async () => {
    const exec = await shell('echo out; echo err >&2; exit 7')
    expect(exec).toEqual({ code: 7, stdout: 'out\n', stderr: 'err\n' })
    const piped = await kata.call(['exec', '-i', 'pod', '--', 'wc', '-c'], { stdin: 'twelve bytes' })
    expect(piped.stdout.trim()).toBe('12')
    const output: string[] = []
    const terminal = Bun.spawn(kata.command(['exec', '-it', 'pod', '--', 'sh', '-c', 'tty; stty size']), {
      terminal: { cols: 101, rows: 33, data: (_, chunk) => void output.push(Buffer.from(chunk).toString()) },
    })
    expect(await terminal.exited).toBe(0)
    // What it wrote last may be read after its end.
    const isShown = () => /\/dev\/pts\/0\r\n33 101/.test(output.join(''))
    await eventually('the terminal and its size', () => isShown() || undefined)
  })

  test('files are copied whole, and directories brought up to date', async () => {
    expect((await shell('wc -c < /etc/big; cat /config/key; touch /config/x')).stdout).toBe('3000000\none')
    // As kubelet does it: a new directory, and one link that is replaced.
    const config = `${volume.path}/config`
    cpSync(`${config}/..one`, `${config}/..two`, { recursive: true })
    writeFileSync(`${config}/..two/key`, 'two')
    symlinkSync('..two', `${config}/..next`)
    renameSync(`${config}/..next`, `${config}/..data`)
    await eventually(
      'the new content',
      async () => (await shell('cat /config/key')).stdout === 'two' || undefined,
    )
  })

  test('the machine has the interface of the pod, by a tap that only its user can open', async () => {
    const { stdout } = await shell('ip addr show eth0; ip route; ping -c 1 -W 5 10.81.0.1')
    expect(stdout).toContain('inet 10.81.0.2/24')
    expect(stdout).toContain('default via 10.81.0.1')
    expect(stdout).toContain('1 packets received')
    expect(command(busyboxPath, 'ping', '-c', '1', '-W', '5', '10.81.0.2')).toContain('1 packets received')
    const { sandbox } = await kata.inspect('pod')
    expect(netns.ip('-d link show type tun')).toMatch(new RegExp(`user (${sandbox.uid}|${sandbox.user})\\b`))
  })

  test('the VMM is the jailed process, with the user of the pod, and no daemon serves it', async () => {
    const { sandbox } = await kata.inspect('pod')
    expect(readProc(`/proc/${sandbox.vmmPid}/cmdline`)).toContain('--api-sock')
    expect(readStatus(`/proc/${sandbox.vmmPid}/status`)?.get('Uid')?.split('\t')[0]).toBe(`${sandbox.uid}`)
    expect(sandbox.virtiofsdPids).toEqual([])
    expect(sandbox.groups).toEqual([])
  })

  test.each([
    ['a directory that is to be written', ['-v', '/var/tmp:/data'], 'SHARE_NOT_COPIED'],
    ['a directory that is too large', ['-v', '/usr:/data:ro'], 'SHARE_COPY_TOO_LARGE'],
  ])(
    '%s is refused, and nothing is left',
    async (_, flags, code) => {
      const now = hostState(kata.runDir)
      const { code: status, stderr } = await kata.run(['true'], { flags })
      expect({ status, stderr }).toEqual({ status: 125, stderr: expect.stringContaining(`[${code}]`) })
      expect(leftBehind(now, hostState(kata.runDir))).toEqual([])
    },
    bootLimitMs,
  )

  test.each([
    ['without its jailer', 'jailer_path = "/absent/jailer"', 'CONFIG_FILE_MISSING'],
    ['without its program', 'path = "/absent/firecracker"', 'CONFIG_FILE_MISSING'],
    ['with a shared file system', 'shared_fs = "virtio-fs"', 'CONFIG_VMM_CANNOT'],
    ['with VFIO', 'hot_plug_vfio = "root-port"', 'CONFIG_VMM_CANNOT'],
    ['with a machine that grows', '[runtime]\nstatic_sandbox_resource_mgmt = false', 'CONFIG_VMM_CANNOT'],
  ])('%s it is refused, and nothing is left', async (_, lines, code) => {
    const file = `${volume.path}/configuration.toml`
    writeFileSync(file, `${hypervisorTable(`${lines}\n`, firecracker)}`)
    const now = hostState(kata.runDir)
    const { code: status, stderr } = await kata.run(['true'], { flags: ['--config', file] })
    expect({ status, stderr }).toEqual({ status: 125, stderr: expect.stringContaining(`[${code}]`) })
    expect(leftBehind(now, hostState(kata.runDir))).toEqual([])
  })

  test('a VMM that is killed is noticed, and with its pod everything goes', async () => {
    const { sandbox } = await kata.inspect('pod')
    process.kill(sandbox.vmmPid, 'SIGKILL')
    await eventually('the pod to be over', async () => !(await kata.isRunning('pod')) || undefined)
    await kata.call(['rm', '-f', 'pod'])
    await kata.call(['gc'])
    rmSync(`${volume.path}/configuration.toml`, { force: true })
    await eventually(
      'nothing to be left',
      () => leftBehind(before, hostState(kata.runDir)).length === 0 || undefined,
    )
    expect(processesOfUid(sandbox.uid)).toEqual([])
  })
})
