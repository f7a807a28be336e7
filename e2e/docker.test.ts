/** Docker's own way to a network: a namespace without a path that hooks fill, by a daemon of the test's own. */
import { afterAll, beforeAll, describe, expect } from 'bun:test'
import { chmodSync } from 'node:fs'
import { differs } from '../src/rootless/posture/posture-check.ts'
import type { AuditedProcess } from '../src/sandbox/records/audit.ts'
import { defaultRunDir } from '../src/sandbox/records/paths.ts'
import { Dockerd, image, kataRuntime, noDocker } from './harness/docker.ts'
import { executable } from './harness/executable.ts'
import { type HostState, hostState } from './harness/host/host.ts'
import { expectNothingLeft } from './harness/host/nothing-left.ts'
import { independentTest as test } from './harness/independent-test.ts'
import { eventually, Kata } from './harness/kata.ts'
import { exchange } from './harness/network/echo.ts'

const missing = noDocker('dockerd', 'docker')
if (missing !== undefined) console.log(missing)

const gateway = '10.90.1.1'
const kata = ['--runtime', kataRuntime]

describe.skipIf(missing !== undefined)('docker', () => {
  let before: HostState
  let daemon: Dockerd
  const docker = (args: readonly string[]) => daemon.call(args)
  const must = (...args: string[]) => daemon.must(...args)

  beforeAll(async () => {
    before = hostState(defaultRunDir)
    daemon = await Dockerd.start('ktdk0', gateway)
  })
  afterAll(async () => {
    await daemon.close()
    await expectNothingLeft(before, defaultRunDir)
  })

  test('run: a machine with Docker’s address, its gateway, and the exit code of the command', async () => {
    const script = `uname -r; ip -o -4 addr show dev eth0; ping -c 1 ${gateway} >/dev/null && exit 7`
    const { code, stdout } = await docker(['run', '--rm', ...kata, image, 'sh', '-c', script])
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
    await must('create', ...kata, ...publish, image, 'sh', '-c', 'echo up; exec nc -ll -p 5000 -e cat')
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
    const asked = await must('run', '--rm', ...kata, '--network', 'second', image, 'sh', '-c', script)
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
    const args = [image, 'sh', '-c', 'ls /sys/class/net']
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
      const ran = await docker(['run', '--rm', ...kata, image, command])
      expect(ran).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(words) })
    },
  )

  test('exec of such a command fails with the words, and with the one exit code that Docker has for it', async () => {
    await must('run', '-d', '--name', 'there', ...kata, image, 'sleep', '600')
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
    chmodSync(daemon.state, 0o711)
    const cli = new Kata()
    try {
      const env = { DOCKER_HOST: `unix://${daemon.state}/d.sock` }
      expect(await cli.call(['pull', '--quiet', 'docker-daemon:bb'], { env })).toEqual({
        code: 0,
        stdout: 'docker.io/library/bb:latest\n',
        stderr: '',
      })
      expect(await cli.call(['run', '--rm', '--pull', 'never', 'bb', 'cat', '/etc/group'])).toEqual({
        code: 0,
        stdout: 'root:x:0:\nweb:x:1000:\n',
        stderr: '',
      })
    } finally {
      await cli.close()
    }
  })
})
