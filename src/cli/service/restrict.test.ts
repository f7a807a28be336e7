import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { KataError } from '../../errors.ts'
import { firstOpenPort } from '../../linux/interfaces/low-ports.ts'
import { withoutGroupWord } from '../group-words.ts'
import { buildProgram } from '../program.ts'
import { allowedCommands } from './allowed.ts'
import { type Caller, restrict } from './restrict.ts'

const own = { runDir: '/run/kata-ts', stateDir: '/var/lib/kata-ts' }

const directory = mkdtempSync(`${tmpdir()}/restrict-`)
const variables = `${directory}/variables`
writeFileSync(variables, 'A=of the file\nHOME\nPATH\n')
const many = `${directory}/many`
writeFileSync(many, 'A=\n'.repeat(3000))
afterAll(() => rmSync(directory, { recursive: true }))

const table = () =>
  buildProgram({
    settings: () => {
      throw new Error('no command runs here')
    },
    finish: () => {},
    print: () => {},
    tell: () => {},
    throughService: async () => undefined,
    again: async () => 0,
  })

/** A user's process that has these files and variables; notes what was written. */
function caller(written: Record<string, string> = {}): Caller {
  return {
    uid: 1000,
    gid: 100,
    readable(path) {
      if (path.includes('shadow')) throw new KataError('CALLER_FILE', { path, reason: 'EACCES' })
      return path.startsWith(directory) ? path : '/proc/self/fd/7'
    },
    location: () => 8,
    writeNew(path, content) {
      written[path] = content
    },
    variable: (name) => (name === 'HOME' ? '/home/a' : undefined),
  }
}

const restricted = async (...argv: string[]) => (await restrict(table(), argv, caller(), own)).argv
const anonymous = '--authfile='
const added = [anonymous, '--no-caller-env']
const volume = (fields: object) =>
  `--caller-volume=${JSON.stringify({ fd: 8, uid: 1000, gid: 100, ...fields })}`

test.each([
  [
    ['ps', '-q', '--filter', 'label=a'],
    ['ps', '--filter=label=a', '--quiet', '--'],
  ],
  [
    ['--format', 'json', 'ps'],
    ['ps', '--format=json', '--'],
  ],
  [
    ['exec', '-it', 'web', 'sh', '-c', 'ls -l'],
    ['exec', '--no-caller-env', '--interactive', '--tty', '--', 'web', 'sh', '-c', 'ls -l'],
  ],
  [
    ['rm', '-f', 'a', 'b'],
    ['rm', '--force', '--', 'a', 'b'],
  ],
  [
    ['attach', '--no-stdin', 'web'],
    ['attach', '--no-stdin', '--', 'web'],
  ],
  [
    ['stop', '--time=-1', 'web'],
    ['stop', '--time=-1', '--', 'web'],
  ],
  [
    ['ps', '-n', '3', '-l', '--no-trunc'],
    ['ps', '--last=3', '--latest', '--no-trunc', '--'],
  ],
  [
    ['top', 'web', '-o', 'pid'],
    ['top', '--', 'web', '-o', 'pid'],
  ],
])('%j is passed on as %j', async (argv, passed) => {
  expect(await restricted(...argv)).toEqual(passed)
})

test('docker’s word container may stand in front of inspect', async () => {
  const type = '--type=container'
  const words = withoutGroupWord(['container', 'inspect', 'web'])
  expect(await restricted(...words)).toEqual(['inspect', type, type, '--', 'web'])
})

test('what is written anew is read as the same command again', async () => {
  const first = await restricted('run', '--rm', '-e', 'A=-b', '--name', 'x', '--', '--odd', '--', '-v')
  const { argv } = await restrict(
    table(),
    first.filter((word) => !added.includes(word)),
    caller(),
    own,
  )
  expect(argv).toEqual(first)
  expect(first).toEqual(['run', ...added, '--rm', '--name=x', '--env=A=-b', '--', '--odd', '--', '-v'])
})

test('an image by its name stays one, and is pulled without credentials', async () => {
  const words = ['run', '--pull', 'always', 'debian:13', 'cat', '-n', '/etc/issue']
  const passed = ['run', ...added, '--pull=always', 'debian:13', '--', 'cat', '-n', '/etc/issue']
  expect(await restricted(...words)).toEqual(passed)
  expect(await restricted('create', 'busybox', '--', 'sh')).toEqual([
    'create',
    ...added,
    'busybox',
    '--',
    'sh',
  ])
  expect(await restricted('pull', 'busybox')).toEqual(['pull', anonymous, '--', 'busybox'])
  expect(await restricted('run', '--image', 'a.tar', 'sh')).toEqual([
    ...['run', ...added, '--image=/proc/self/fd/7', '--', 'sh'],
  ])
})

test('a network of its own, ports that any user may have, and docker’s life of a container', async () => {
  expect(
    await restricted('run', '-p', '127.0.0.1:8080:80', '--allow', 'a.org', '--restart', 'always', 'x'),
  ).toEqual([
    ...['run', ...added, '--restart=always', '--publish=127.0.0.1:8080:80', '--allow=a.org', 'x', '--'],
  ])
  expect(await restricted('run', '-P', '--expose', '53/udp', '-p', '80', 'x')).toEqual([
    ...['run', ...added, '--publish=80', '--publish-all', '--expose=53/udp', 'x', '--'],
  ])
  expect(await restricted('run', '--network', 'bridge', '--no-healthcheck', 'x')).toEqual([
    ...['run', ...added, '--network=bridge', '--no-healthcheck', 'x', '--'],
  ])
  expect(await restricted('update', '--restart', 'no', 'x')).toEqual(['update', '--restart=no', '--', 'x'])
  expect(await restricted('events', '--filter', 'event=die')).toEqual(['events', '--filter=event=die', '--'])
})

test('what concerns the container alone is as for root', async () => {
  const words = ['--init', '--group-add', 'audio', '--dns-search', 'a.org', '--dns-option', 'ndots:2']
  const passed = ['--init', '--group-add=audio', '--dns-search=a.org', '--dns-option=ndots:2']
  const argv = await restricted('run', ...words, '--memory-swap', '-1', 'x')
  expect(argv.toSorted()).toEqual(['run', ...added, ...passed, '--memory-swap=-1', 'x', '--'].toSorted())
})

test('a log is as large as that of any container, and no larger than members may have', async () => {
  const words = ['--log-opt', 'max-size=100m', '--log-opt', 'max-file=10']
  const passed = ['--log-opt=max-size=100m', '--log-opt=max-file=10']
  expect(await restricted('run', ...words, 'x')).toEqual(['run', ...added, ...passed, 'x', '--'])
  const told = '--log-opt max-size=1t (members may have max-size=100m and max-file=10) is only for root'
  await expect(restricted('run', '--log-opt', 'max-size=1t', 'x')).rejects.toThrow(told)
  await expect(restricted('run', '--log-opt', 'tag=x', 'x')).rejects.toThrow('[OPTION_INVALID] --log-opt')
})

test('a port is one of any user’s, and a name is looked for among containers alone', async () => {
  const first = firstOpenPort()
  expect(await restricted('run', '-p', `${first}:80`, 'x')).toContain(`--publish=${first}:80`)
  expect(await restricted('inspect', 'web')).toEqual(['inspect', '--type=container', '--', 'web'])
})

test('a variable has the caller’s value, and is removed where he has none, whatever the service has', async () => {
  for (const name of ['NONE', 'PATH'])
    expect(await restricted('run', '-e', 'HOME', '-e', name, '--', 'sh')).toEqual([
      ...['run', ...added, '--env=HOME=/home/a', `--env=${name}`, '--', 'sh'],
    ])
  const argv = await restricted('exec', '-e', 'PATH', 'web', 'env')
  expect(argv).toEqual(['exec', '--no-caller-env', '--env=PATH', '--', 'web', 'env'])
  await expect(restricted('run', '--no-caller-env', 'x')).rejects.toThrow('[SERVICE_REFUSED]')
})

test('files and volumes are descriptors that the caller opened', async () => {
  expect(await restricted('run', '--image', 'a.tar', '--label-file', 'l', '-v', './d:/d:ro')).toEqual([
    ...['run', ...added, '--label-file=/proc/self/fd/7', '--image=/proc/self/fd/7'],
    ...[volume({ destination: '/d', readonly: true }), '--'],
  ])
  expect(await restricted('run', '--mount', 'type=bind,src=/a,dst=/b')).toEqual([
    ...['run', ...added, volume({ destination: '/b', readonly: false }), '--'],
  ])
  for (const word of ['readonly', 'ro', 'readonly=true'])
    expect(await restricted('run', '--mount', `type=bind,src=/a,dst=/b,${word}`)).toEqual([
      ...['run', ...added, volume({ destination: '/b', readonly: true }), '--'],
    ])
  expect(await restricted('run', '--image', '-')).toEqual(['run', ...added, '--image=-', '--'])
})

test('a name in a file of variables has the value that the caller has, and never the service’s', async () => {
  expect(process.env.PATH).toBeString()
  const ofFile = ['--env=A=of the file', '--env=HOME=/home/a']
  const words = ['-e', 'A=1', '--env-file', variables]
  expect(await restricted('run', ...words, '--', 'env')).toEqual([
    ...['run', ...added, ...ofFile, '--env=A=1', '--', 'env'],
  ])
  expect(await restricted('exec', ...words, 'web', 'env')).toEqual([
    ...['exec', '--no-caller-env', ...ofFile, '--env=A=1', '--', 'web', 'env'],
  ])
})

test('a mount is the one that was checked, whichever of its fields comes twice', async () => {
  const twice = [
    'type=tmpfs,type=bind,source=/,target=/host',
    'type=tmpfs,type=volume,source=others,target=/host',
    'type=bind,src=/a,dst=/b,source=/etc',
    'type=bind,src=/a,dst=/b,propagation=shared',
  ]
  for (const text of twice)
    await expect(restricted('run', '--mount', text, '--', 'sh')).rejects.toThrow('[OPTION_INVALID]')
  expect(await restricted('run', '--mount', 'type=tmpfs,dst=/b,tmpfs-size=1m')).toEqual([
    ...['run', ...added, '--mount=type=tmpfs,target=/b,tmpfs-size=1m', '--'],
  ])
})

test('the name is in the file that was asked for, and is the name of the container', async () => {
  const written: Record<string, string> = {}
  const { argv } = await restrict(table(), ['run', '--cidfile', 'id'], caller(written), own)
  expect(argv).toEqual(['run', ...added, `--name=${written.id}`, '--'])
})

const stores = [
  ...['docker-daemon:app:1', 'oci:/etc/x', 'oci-archive:/root/a.tar'],
  ...['docker-archive:/root/a.tar', 'dir:/root', 'containerd:k8s.io/quay.io/app:1'],
]
test.each(stores)('root does not read %s for a member', async (image) => {
  for (const words of [['pull'], ['run', '--rm'], ['create']]) {
    await expect(restricted(...words, image)).rejects.toThrow('[SERVICE_REFUSED]')
    await expect(restricted(...words, image, 'sh')).rejects.toThrow(/SERVICE_REFUSED|too many/)
  }
  await expect(restricted('pull', '--', image)).rejects.toThrow('[SERVICE_REFUSED]')
  // It is a command there.
  expect(await restricted('run', '--', image)).toEqual(['run', ...added, '--', image])
})

const refused = [
  ['run', '--privileged'],
  ['run', '--cap-add', 'SYS_ADMIN'],
  ['run', '--device', '/dev/sda'],
  ['run', '--rootfs', '/'],
  ['run', '--config', 'mine.toml'],
  ['run', '--rootless', 'false'],
  ['run', '--accelerator', 'tcg'],
  ['run', '--sysctl', 'a=b'],
  ['run', '--network', 'ns:/proc/1/ns/net'],
  ['run', '--network', 'host'],
  ['run', '--security-opt', 'seccomp=unconfined'],
  ['run', '--security-opt', 'seccomp=/etc/shadow'],
  ['run', '-v', '/disk.img:/d:ext4'],
  ['run', '-v', 'data:/d'],
  ['run', '--mount', 'type=volume,src=a,dst=/b'],
  ['run', '--caller-volume', '{"fd":3,"uid":0,"gid":0,"destination":"/x","readonly":false}'],
  ['run', '--namespace', 'default'],
  ['run', '--state-dir', '/tmp/mine'],
  ['run', '--run-dir', '/tmp/mine'],
  ['run', '--log-level', 'debug'],
  ['--namespace', 'default', 'ps'],
  ['ps', '--all-namespaces'],
  ['events', '--all-namespaces'],
  ['start', '--boot'],
  ['exec', '--privileged', 'web', 'sh'],
  ['run', '-p', '80:80'],
  ['run', '-p', `${firstOpenPort() - 1}:80`],
  ['run', '--network', 'mine'],
  ['run', '--log-opt', 'max-size=101m'],
  ['create', '--log-opt', 'max-size=64k', '--log-opt', 'max-file=11', 'x'],
  ['run', '--authfile', '/root/auth.json'],
  ['run', '--tls-verify', 'false'],
  ['pull', '--tls-verify', 'false', 'debian:13'],
  ['update', '--cpuset-cpus', '0', 'web'],
  ['system', 'df'],
  ['info'],
  ['service'],
  ['service-worker', '0', '1'],
  ['monitor', 'web'],
  ['gc'],
  ['audit', 'web'],
  ['cp', 'web:/etc/passwd', '-'],
  ['guest', 'build'],
  ['inspect', '--type', 'image', 'debian:13'],
  ['config', 'show'],
  ['factory', 'init'],
  ['factory', 'status', '--config', 'mine.toml'],
  ['factory', 'serve'],
  ['factory', 'destroy'],
  ['direct-volume', 'stats', '--volume-path', '/x'],
]

for (const argv of refused)
  test(`${argv.join(' ')} is refused with its code`, async () => {
    await expect(restricted(...argv, '--')).rejects.toThrow('[SERVICE_REFUSED]')
  })

test('what the caller cannot open ends the command, and words that are none are usage', async () => {
  await expect(restricted('run', '--env-file', '/etc/shadow')).rejects.toThrow('[CALLER_FILE] /etc/shadow')
  await expect(restricted('run', '--no-such-option')).rejects.toThrow(/unknown option/)
  await expect(restricted('no-such-command')).rejects.toThrow(/unknown command/)
  await expect(restricted('run', '-v', ':/d')).rejects.toThrow('[VOLUME_INVALID]')
})

test('files of variables have a bound of them all together', async () => {
  expect((await restricted('exec', '--env-file', many, 'web', 'sh')).length).toBeGreaterThan(3000)
  await expect(restricted('exec', '--env-file', many, '--env-file', many, 'web', 'sh')).rejects.toThrow(
    '[SERVICE_REFUSED] more than 4096 variables of files',
  )
})

test('of the command table, these commands are allowed', () => {
  const all = table().commands.map((command) => command.name())
  expect(allowedCommands.filter((name) => !all.includes(name))).toEqual([])
  expect(all.filter((name) => !allowedCommands.includes(name)).sort()).toEqual([
    ...[
      'audit',
      'check',
      'commit',
      'completion',
      'config',
      'cp',
      'diff',
      'direct-volume',
      'env',
      'export',
      'factory',
      'fork',
      'gc',
      'guest',
      'help',
      'history',
      'import',
      'info',
      'load',
    ],
    ...['monitor', 'network', 'prune', 'resume', 'rmi', 'save', 'service', 'service-worker', 'snapshot'],
    ...['suspend', 'system', 'tag'],
    ...['version', 'volume'],
  ])
})
