/** Docker's own way to a network: a namespace without a path that hooks fill, by a daemon of the test's own. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, openSync, rmSync } from 'node:fs'
import { dockerPath } from '../setup/packages/docker.ts'
import { makeTar } from '../src/images/testing.ts'
import { unmountBelow } from '../src/linux/mounts/mount.ts'
import { ip } from '../src/network/testing.ts'
import { differs } from '../src/rootless/posture/posture-check.ts'
import type { AuditedProcess } from '../src/sandbox/records/audit.ts'
import { defaultRunDir } from '../src/sandbox/records/paths.ts'
import { clientCgroups, removeEmptyCgroup } from './containerd/cgroups.ts'
import { busyboxFiles } from './containerd/images.ts'
import { ownDirectory } from './harness/directories.ts'
import { executable, programDir } from './harness/executable.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { eventually, Kata } from './harness/kata.ts'
import { exchange } from './harness/network/echo.ts'
import { slow } from './harness/time.ts'

/** The host's own, or that of setup/packages/docker.ts. */
const path = `${process.env.PATH}:${dockerPath}`
const dockerd = Bun.which('dockerd', { PATH: path })
const program = Bun.which('docker', { PATH: path })
const missing = dockerd === null || program === null
if (missing) console.log('skipped: Docker cannot be had (Debian packages docker.io and docker-cli)')

const [bridge, gateway] = ['ktdk0', '10.90.1.1']
const kata = ['--runtime', 'io.containerd.kata-ts.v2']

describe.skipIf(missing)('docker', () => {
  let before: HostState
  let root: string
  let state: string
  let daemon: Bun.Subprocess
  const cgroupsBefore = new Set(clientCgroups())

  async function docker(args: readonly string[], stdin?: Buffer) {
    const child = Bun.spawn([program!, '-H', `unix://${state}/d.sock`, ...args], {
      ...{ stdin: stdin ?? 'ignore', stdout: 'pipe', stderr: 'pipe', timeout: slow(120_000) },
    } as const)
    const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
    return { code, stdout, stderr }
  }
  async function must(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await docker(args)
    if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`)
    return stdout.trim()
  }

  beforeAll(async () => {
    before = hostState(defaultRunDir)
    root = ownDirectory('/var/lib/kata-ts-e2e-dk-')
    state = ownDirectory('/run/dk-')
    ip(`link add ${bridge} type bridge`)
    ip(`addr add ${gateway}/24 dev ${bridge}`)
    ip(`link set ${bridge} up`)
    const log = openSync(`${root}/log`, 'a')
    // The firewall and the forwarding of the host are left as they are.
    const host = ['--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false']
    const argv = [
      dockerd!,
      ...host,
      '--bridge',
      bridge,
      '--storage-driver',
      'vfs',
      '-H',
      `unix://${state}/d.sock`,
    ]
    const files = ['--data-root', `${root}/data`, '--exec-root', `${state}/exec`, '--pidfile', `${state}/pid`]
    daemon = Bun.spawn([...argv, ...files], {
      env: { PATH: `${programDir}:${path}` },
      stdio: ['ignore', log, log],
    })
    await eventually('dockerd', async () => (await docker(['version'])).code === 0 || undefined)
    const { code, stderr } = await docker(['import', '-', 'bb'], makeTar(busyboxFiles()))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })
  afterAll(() => close())

  async function close(): Promise<void> {
    if (daemon?.exitCode === null) {
      for (const id of (await must('ps', '-aq')).split('\n').filter(Boolean)) await docker(['rm', '-f', id])
      daemon.kill()
      await daemon.exited
    }
    for (const directory of [root, state]) {
      unmountBelow(directory)
      rmSync(directory, { recursive: true, force: true })
    }
    Bun.spawnSync(['ip', 'link', 'del', bridge])
    for (const path of clientCgroups()) if (!cgroupsBefore.has(path)) removeEmptyCgroup(path)
  }

  test('run: a machine with Docker’s address, its gateway, and the exit code of the command', async () => {
    const script = `uname -r; ip -o -4 addr show dev eth0; ping -c 1 ${gateway} >/dev/null && exit 7`
    const { code, stdout } = await docker(['run', '--rm', ...kata, 'bb', 'sh', '-c', script])
    expect(code).toBe(7)
    const [kernel, address] = stdout.split('\n')
    expect(kernel).not.toBe(Bun.spawnSync(['uname', '-r']).stdout.toString().trim())
    expect(address).toMatch(/inet 10\.90\.1\.\d+\/24/)
  })

  test('a published port, exec, logs and two networks, the second joined before the start', async () => {
    await must(
      'network',
      'create',
      '--subnet',
      '10.91.0.0/24',
      '-o',
      'com.docker.network.bridge.name=ktdk1',
      'second',
    )
    const publish = ['-p', '127.0.0.1:18088:5000', '--name', 'web', '--hostname', 'web']
    await must('create', ...kata, ...publish, 'bb', 'sh', '-c', 'echo up; exec nc -ll -p 5000 -e cat')
    await must('network', 'connect', 'second', 'web')
    await must('start', 'web')
    const text = Buffer.from('through the proxy of docker')
    expect(
      await eventually('the server', () => exchange('127.0.0.1', 18088, text).catch(() => undefined)),
    ).toEqual(text)
    const inside = await must('exec', 'web', 'sh', '-c', 'hostname; ip -o -4 addr')
    const wanted = await must(
      'inspect',
      '-f',
      '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}',
      'web',
    )
    for (const address of wanted.split(' ').filter(Boolean)) expect(inside).toContain(`inet ${address}/24`)
    expect(wanted).toMatch(/10\.90\.1\.\d+ 10\.91\.0\.\d+|10\.91\.0\.\d+ 10\.90\.1\.\d+/)
    expect(inside).toStartWith('web\n')
    expect(await must('logs', 'web')).toBe('up')
    // By Docker's own name server, which is in the namespace and not in the machine.
    const script = 'cat /etc/resolv.conf; nslookup -type=a web'
    const asked = await must('run', '--rm', ...kata, '--network', 'second', 'bb', 'sh', '-c', script)
    expect(asked).toContain('nameserver 127.0.0.11')
    expect(asked).toContain(wanted.split(' ').find((address) => address.startsWith('10.91.'))!)
    const audit = Bun.spawnSync([
      executable,
      '--format',
      'json',
      'audit',
      await must('inspect', '-f', '{{.Id}}', 'web'),
    ])
    const [{ processes }] = JSON.parse(audit.stdout.toString()) as [{ processes: AuditedProcess[] }]
    expect(processes.map(({ name, rows }) => [name, rows.filter(differs)])).toEqual(
      [
        'netns-holder',
        'netns-holder-waiter',
        'virtiofsd',
        'virtiofsd-volumes',
        'virtiofsd-volumes-worker',
        'virtiofsd-worker',
        'vmm',
        'vmm-waiter',
        'shim',
      ].map((name) => [name, []]),
    )
    await must('rm', '-f', 'web')
    await must('network', 'rm', 'second')
  })

  test('without a network there is none, and that of the host is refused in words', async () => {
    const args = ['bb', 'sh', '-c', 'ls /sys/class/net']
    expect(await must('run', '--rm', ...kata, '--network', 'none', ...args)).toBe('lo')
    const { code, stderr } = await docker(['run', '--rm', ...kata, '--network', 'host', ...args])
    expect(code).toBe(125)
    expect(stderr).toContain('[NETNS_HOST] the pod asks for the network of the host')
  })

  // /etc/resolv.conf is Docker's own mount, of mode 0644.
  const commands: readonly [what: string, command: string, code: number, words: string][] = [
    ['that is not there', 'nosuch', 127, 'executable file not found'],
    ['that is not there, by its path', '/no/such', 127, 'executable file not found'],
    ['that is no program', '/etc/resolv.conf', 126, 'permission denied'],
    ['that is a directory', '/etc', 126, 'permission denied'],
  ]
  test.each(commands)(
    'run of a command %s has the exit code by which Docker tells it: %s',
    async (_what, command, code, words) => {
      const ran = await docker(['run', '--rm', ...kata, 'bb', command])
      expect(ran).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(words) })
    },
  )

  test('exec of such a command fails with the words, and with the one exit code that Docker has for it', async () => {
    await must('run', '-d', '--name', 'there', ...kata, 'bb', 'sleep', '600')
    try {
      for (const [, command, , words] of commands) {
        const { code, stdout, stderr } = await docker(['exec', 'there', command])
        expect([command, code]).toEqual([command, 126])
        expect(stdout + stderr).toContain(words)
      }
    } finally {
      await must('rm', '-f', 'there')
    }
  })

  test('docker-daemon: takes an image out of its store, and it runs without Docker', async () => {
    // As /run: whoever is of the socket's group gets to it.
    chmodSync(state, 0o711)
    const cli = new Kata()
    try {
      const env = { DOCKER_HOST: `unix://${state}/d.sock` }
      expect(await cli.call(['pull', '--quiet', 'docker-daemon:bb'], { env })).toEqual({
        ...{ code: 0, stdout: 'docker.io/library/bb:latest\n', stderr: '' },
      })
      expect(await cli.call(['run', '--rm', '--pull', 'never', 'bb', 'cat', '/etc/group'])).toEqual({
        ...{ code: 0, stdout: 'root:x:0:\nweb:x:1000:\n', stderr: '' },
      })
    } finally {
      await cli.close()
    }
  })

  test('nothing is left', async () => {
    await close()
    expect(leftBehind(before, hostState(defaultRunDir))).toEqual([])
  })
})
