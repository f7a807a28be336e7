/** The command line as a person meets it before any container exists. */
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test'
import { chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { stringify } from 'smol-toml'
import { bootId, processRef } from '../linux/processes/proc.ts'
import { forgetPoolServer, notePoolServer } from '../sandbox/pool/pool-server.ts'
import { sandboxPaths } from '../sandbox/records/paths.ts'
import { writeTaskRecord } from '../sandbox/records/task-records.ts'
import { newTemplate } from '../sandbox/template/template-store.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(60_000)

const annotation = 'io.katacontainers.config.hypervisor'
const base = mkdtempSync(`${tmpdir()}/cli-`)
// A guest image without its manifest.
mkdirSync(`${base}/cache/images/half`, { recursive: true })
afterAll(() => rmSync(base, { recursive: true }))

async function kata(...args: string[]) {
  const where = ['--run-dir', `${base}/run`, '--state-dir', `${base}/state`]
  const child = Bun.spawn([process.execPath, `${import.meta.dir}/main.ts`, ...where, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return { stdout, stderr, code }
}

test.each([
  [['bogus'], 'USAGE', 'kata-ts --help'],
  [['ps', '--bogus'], 'USAGE', 'kata-ts ps --help'],
  [['guest', 'rm'], 'USAGE', 'kata-ts guest rm --help'],
  [['run', '--memory', 'much', 'true'], 'OPTION_INVALID', '--memory'],
  [['run', '--machine-memory', '64M', 'true'], 'OPTION_INVALID', 'from 128M to'],
  [['run', '--cpus', '-1', 'true'], 'OPTION_INVALID', '--cpus'],
  [['run', '--name', '../up', 'true'], 'NAME_INVALID', '"../up" is not'],
  [['run', '--name', '', 'true'], 'NAME_INVALID', '"" is not'],
  [['run', '--env', '', 'true'], 'OPTION_INVALID', '--env does not take ""'],
  [['run', '--image', '', 'true'], 'OPTION_INVALID', '--image does not take ""'],
  [['run', '--env-file', '/no/such', 'true'], 'ENV_FILE_INVALID', '/no/such'],
  [['run', '--env-file', '/root', 'true'], 'ENV_FILE_INVALID', '/root'],
  [['run', '--label-file', '/root', 'true'], 'OPTION_INVALID', '--label-file'],
  [['run', '--workdir', 'srv', 'true'], 'OPTION_INVALID', '--workdir'],
  [['ps', '--state-dir', ''], 'OPTION_INVALID', '--state-dir'],
  [['ps', '--state-dir', '/etc/hosts'], 'OPTION_INVALID', '--state-dir does not take "/etc/hosts"'],
  [
    ['run', '--run-dir', '/etc/hosts', '--', 'true'],
    'OPTION_INVALID',
    '--run-dir does not take "/etc/hosts"',
  ],
  [['run', '--result-file', '/etc/hosts', 'true'], 'FILE_EXISTS', '/etc/hosts'],
  [['exec', '--result-file', '/etc/hosts', 'x', 'true'], 'FILE_EXISTS', '/etc/hosts'],
  [['prune', '--keep-images'], 'OPTION_CONFLICT', '--containers'],
  [['container', 'pull', 'x'], 'USAGE', 'kata-ts container ls'],
  [['network', 'create', 'host'], 'OPTION_INVALID', 'run --network'],
  [['run', '--hostname', 'a b', 'true'], 'OPTION_INVALID', '--hostname'],
  [['run', '--env-file', '/etc/hosts', 'true'], 'ENV_FILE_INVALID', '/etc/hosts:'],
  [['run', '-v', '', 'true'], 'VOLUME_INVALID', 'volume ""'],
  [['run', '--device', '', 'true'], 'DEVICE_OPTION_INVALID', '--device ""'],
  [['run', '--detach-keys', 'ctrl', 'true'], 'OPTION_INVALID', '--detach-keys'],
  [['run', '--rootfs', '/', '--image', 'x', 'true'], 'OPTION_CONFLICT', '--image'],
  [['run', '--rootfs', '/no/such', 'true'], 'ROOTFS_MISSING', '/no/such'],
  [['run', '--pull', 'never', 'busybox', 'id'], 'IMAGE_NOT_STORED', '"busybox"'],
  [['run', '--pull', 'now', 'busybox'], 'OPTION_INVALID', '--pull'],
  [['create', '--pull', 'now', '--', 'true'], 'OPTION_INVALID', '--pull'],
  [['create', '--tls-verify=maybe', '--', 'true'], 'OPTION_INVALID', '--tls-verify'],
  [['create', '--vcpus', '240', '--', 'true'], 'CONFIG_VALUE', 'option --vcpus'],
  [
    ['create', '--annotation', `${annotation}.default_vcpu=1`, '--', 'true'],
    'ANNOTATION_UNKNOWN',
    'default_vcpu',
  ],
  [['run', '--rootfs', '', 'true'], 'OPTION_INVALID', '--rootfs'],
  [['run', '--config=', 'true'], 'OPTION_INVALID', '--config'],
  [['run', '--cidfile', '', 'true'], 'OPTION_INVALID', '--cidfile'],
  [['run', '--env-file', '/dev/null', '--env-file', '', 'true'], 'OPTION_INVALID', '--env-file'],
  [['ps', '--result-file', ''], 'OPTION_INVALID', '--result-file'],
  [['--result-file', '', 'ps'], 'OPTION_INVALID', '--result-file'],
  [['guest', 'build', '--cache-dir', ''], 'OPTION_INVALID', '--cache-dir'],
  [['direct-volume', 'remove', '--volume-path', ''], 'OPTION_INVALID', '--volume-path'],
  [['run', '--privileged', '--cap-drop', 'NET_RAW', 'true'], 'OPTION_CONFLICT', '--cap-drop'],
  [['kill', '--exec-id', '', 'x'], 'NAME_INVALID', 'exec'],
  [['start', ''], 'NAME_INVALID', 'container'],
  [['pull', 'No Name'], 'IMAGE_NAME_INVALID', 'No Name'],
  [['cp', 'a', 'b'], 'COPY_PATH_INVALID', 'a'],
  [['run', 'Busybox'], 'IMAGE_NAME_INVALID', 'kata-ts run -- CMD'],
  [['run', 'oci:'], 'IMAGE_NAME_INVALID', 'nothing follows oci:'],
  [['run', '-v', '/no/such:/x', 'true'], 'VOLUME_SOURCE_MISSING', '/no/such'],
  [['run', '-it', 'true'], 'NOT_A_TERMINAL', '--tty'],
  [['run', '--format', 'xml', 'true'], 'OPTION_INVALID', '--format'],
  [['gc', '--format', '{{.Names}}'], 'OPTION_INVALID', 'jq'],
  [['ps', '--format', '{{.Nmaes}}'], 'TEMPLATE_INVALID', 'no field Nmaes; there are ID, Names'],
  [['inspect', '--format', 'table {{.Id}}{{', 'x'], 'TEMPLATE_INVALID', 'no closing braces'],
  [['ps', '--filter', 'since=x'], 'OPTION_INVALID', '--filter'],
  [['run', '--label', '=x', 'true'], 'OPTION_INVALID', '--label'],
  [['run', '--cidfile', '/etc/hosts', '--', 'true'], 'FILE_EXISTS', '/etc/hosts'],
  [
    ['run', '--network', 'none', '--network=bridge', 'true'],
    'OPTION_CONFLICT',
    '--network none and --network bridge',
  ],
  [['run', '--network', 'nosuch', 'true'], 'NETWORK_NOT_FOUND', 'network create'],
  [['network', 'create', 'x', '--subnet', '127.0.0.0/8'], 'OPTION_INVALID', '--subnet'],
  [['ps', '--format', 'yaml'], 'OPTION_INVALID', '--format'],
  [['ps', '--namespace', '..'], 'NAME_INVALID', '..'],
  [['exec', '--namespace', 's', 'x', 'true'], 'ID_INVALID', 's'],
])('%j is refused with %s, with 125, and makes nothing', async (args, code, named) => {
  const outcome = await kata(...args)
  expect(outcome).toMatchObject({ code: 125, stdout: '' })
  expect(outcome.stderr).toStartWith(`kata-ts: [${code}] `)
  expect(outcome.stderr).toContain(named)
  expect(await kata('ps', '--format', 'json')).toEqual({ code: 0, stdout: '[]\n', stderr: '' })
})

test.each([
  ['rm', 'CONTAINER_NOT_FOUND'],
  ['rmi', 'IMAGE_NOT_STORED'],
])(
  'whoever removes by force what is not there is told, and has not failed, as in docker: %s',
  async (command, told) => {
    const { code, stdout, stderr } = await kata(command, '--force', 'nobody')
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toStartWith(`kata-ts: [${told}] `)
  },
)

test.each([
  [['kill', 'nobody']],
  [['rm', 'nobody']],
  [['rmi', 'nobody']],
  [['import', '/etc/passwd', 'x:1']],
  [['logs', 'nobody']],
  [['inspect', 'nobody']],
  [['guest', 'inspect', 'nothing', '--cache-dir', base]],
  [['guest', 'inspect', 'half', '--cache-dir', `${base}/cache`]],
  [['--format', 'json', 'guest', 'inspect', 'half', '--cache-dir', `${base}/cache`]],
])('%j fails with 1 and a coded error', async (args) => {
  const { code, stderr } = await kata(...args)
  expect(code).toBe(1)
  expect(stderr).toMatch(/^kata-ts: \[(?!INTERNAL)[A-Z_]+\] .+\n$/)
})

test.each([
  [['context', 'ls'], "unknown command 'context'", 'no daemon'],
  [['run', '--blkio-weight=5', 'true'], "unknown option '--blkio-weight=5'", 'disk_rate_limiter'],
  [['run', '-c', '512', 'true'], "unknown option '-c'", 'use --cpus'],
  [['push', 'web'], "unknown command 'push'", 'skopeo copy'],
  [['run', '--gpus', 'all', 'true'], "unknown option '--gpus'", '--device'],
  [['network', 'connect', 'a', 'b'], "unknown command 'connect'", 'run --network NAME'],
  [['run', '--container-memory', '1g', 'true'], "unknown option '--container-memory'", 'use --memory'],
  [['run', '--net', 'host', 'true'], "unknown option '--net'", 'use --network'],
  [['run', '--dns-opt', 'ndots:1', 'true'], "unknown option '--dns-opt'", 'use --dns-option'],
  [['cp', '-a', 'web:/a', '.'], "unknown option '-a'", 'omit it: copies belong to root'],
  [['volume', 'ls', '-f', 'label=a'], "unknown option '-f'", '--format json'],
  [['volume', 'create', '--driver=nfs', 'a'], "unknown option '--driver=nfs'", 'directories of the host'],
  [['inspect', '-s', 'web'], "unknown option '-s'", 'kata-ts ps --size'],
  [['run', '--ip6', 'fd00::2', 'true'], "unknown option '--ip6'", 'use --ip: the IPv6 address follows'],
  [['network', 'create', '--ipv6', 'a'], "unknown option '--ipv6'", 'derived from the IPv4 addresses'],
  [['network', 'create', '-d', 'macvlan', 'a'], "unknown option '-d'", '--network ns:PATH'],
  [['network', 'create', '--gateway=10.1.0.1', 'a'], "unknown option '--gateway=10.1.0.1'", 'second address'],
  [
    ['network', 'create', '--subnet', 'fd00::/64', 'a'],
    '[OPTION_INVALID] --subnet does not take "fd00::/64"',
    'IPv6 addresses of a network follow from it',
  ],
  // The nearest name is right for others.
  [['ispect', 'web'], "unknown command 'ispect'", 'Did you mean inspect?'],
  [['run', '--volum', '/a:/b'], "unknown option '--volum'", 'Did you mean --volume?'],
  // No table has it, though every object does.
  [['constructor'], "unknown command 'constructor'. See", 'kata-ts --help'],
])('%j is refused with what to use in its place', async (args, problem, advice) => {
  const { code, stdout, stderr } = await kata(...args)
  expect({ code, stdout }).toEqual({ code: 125, stdout: '' })
  expect(stderr).toContain(problem)
  expect(stderr).toContain(advice)
  expect(stderr.includes('Did you mean')).toBe(advice.startsWith('Did'))
})

test.each([
  [[], 'Usage: kata-ts [options] [command]'],
  [['help'], 'Usage: kata-ts [options] [command]'],
  [['guest'], 'Usage: kata-ts guest [options] [command]'],
  [['guest', 'help', 'rm'], 'Usage: kata-ts guest rm|remove [options] <id...>'],
  [['help', 'guest', 'ls'], 'Usage: kata-ts guest list|ls [options]'],
  [['help', 'config', 'show'], 'Usage: kata-ts config show [options]'],
  [['factory'], 'Usage: kata-ts factory [options] [command]'],
  [['help', 'factory', 'init'], 'Usage: kata-ts factory init [options]'],
  [['help', 'guest', 'build'], 'Usage: kata-ts guest build [options]'],
  [['run', '--help'], 'Usage: kata-ts run [options] [image] [command...]'],
])('%j is a question, answered with the help', async (args, usage) => {
  const { stdout, ...rest } = await kata(...args)
  expect(rest).toEqual({ code: 0, stderr: '' })
  expect(stdout.split('\n')[0]).toBe(usage)
})

test.each(['CONTAINER_EXISTS', '[CONTAINER_EXISTS]'])('help %s says what the error means', async (code) => {
  expect(await kata('help', code)).toEqual({
    code: 0,
    stderr: '',
    stdout: `[CONTAINER_EXISTS] a container named {name} exists in namespace {namespace}.
What to do: Choose another name, or remove it with \`kata-ts rm {name}\`.

Words in braces stand for what the message names.
`,
  })
})

test('help of what there is not says so', async () => {
  for (const [args, command] of [
    [['help', 'nosuch'], 'kata-ts'],
    [['help', 'guest', 'nosuch'], 'kata-ts'],
    [['guest', 'help', 'nosuch'], 'kata-ts guest'],
  ] as const)
    expect(await kata(...args)).toEqual({
      code: 125,
      stdout: '',
      stderr: `kata-ts: [USAGE] unknown help topic '${args.slice(args.indexOf('help') + 1).join(' ')}'. See \`${command} --help\`.\n`,
    })
})

test('the help of a command has its own options, an example, and the names of the options of all commands', async () => {
  const headings = (text: string) => [...text.matchAll(/^(\S.*):$/gm)].map(([, heading]) => heading)
  for (const command of [['version'], ['inspect'], ['audit'], ['completion'], ['ps'], ['config', 'show']]) {
    const { stdout } = await kata('help', ...command)
    expect([command, headings(stdout)]).toEqual([command, ['Options', 'Example']])
    const [own, last] = stdout.split('\nExample:\n')
    expect(own).not.toContain('--run-dir')
    expect(last).toMatch(
      /^ {2}\$ kata-ts .*\n\nSee `kata-ts --help` for .*,\n--namespace, --run-dir, .*, --result-file\.\n$/,
    )
  }
  const { stdout } = await kata('--help')
  expect(headings(stdout).slice(0, 2)).toEqual(['Options', 'Options of all commands'])
  expect(stdout).toContain('--run-dir <dir>')
})

test('the many options of run and create are under headings', async () => {
  for (const command of ['run', 'create']) {
    const { stdout } = await kata('help', command)
    const sections = stdout.split(/^(?=\S.*:$)/m).slice(1)
    expect(sections.map((section) => section.split(':\n')[0])).toEqual([
      ...['Options', 'Image', 'Memory, processors and limits', 'Files, variables and user', 'Network'],
      ...['Machine', 'Health check', 'Rights', 'Example'],
    ])
    for (const [at, options] of [
      [0, ['--name', '--stop-signal', '--help']],
      [2, ['--memory', '--cpuset-cpus', '--ulimit']],
      [3, ['--volume', '--tmpfs', '--group-add']],
      [4, ['--publish', '--dns', '--dns-search', '--add-host', '--hostname']],
    ] as const)
      for (const option of options) expect(sections[at]).toContain(` ${option} `)
  }
})

test('-h of run is the host name, as in docker', async () => {
  const { code, stdout, stderr } = await kata('run', '-h', 'house', '--rootfs', '/no/such', 'hostname')
  expect({ code, stdout }).toEqual({ code: 125, stdout: '' })
  expect(stderr).toContain('[ROOTFS_MISSING]')
  expect((await kata('run', '-h')).stderr).toContain("option '-h, --hostname <name>' argument missing")
})

test('a full disk behind standard output is told, with a code', async () => {
  for (const args of [['ps'], ['help'], ['version']]) {
    const child = Bun.spawn([process.execPath, `${import.meta.dir}/main.ts`, ...args], {
      stdio: ['ignore', Bun.file('/dev/full'), 'pipe'],
    })
    const [stderr, code] = await Promise.all([child.stderr.text(), child.exited])
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('[OUTPUT_FAILED]') })
    expect(stderr).toContain('ENOSPC')
  }
})

test.each([
  ['ps', []],
  ['gc', []],
  ['audit', []],
  ['logs', ['x']],
  ['inspect', ['x']],
  ['exec', ['x', 'true']],
  ['run', ['true']],
  ['network ls', []],
])('%s %j of another user than root says who must run it', async (name, rest) => {
  const args = [...name.split(' '), ...rest]
  const command = [process.execPath, `${import.meta.dir}/main.ts`, ...args]
  const child = Bun.spawn(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  expect({ code, stdout }).toEqual({ code: 125, stdout: '' })
  expect(stderr).toStartWith(`kata-ts: [NOT_ROOT] kata-ts ${name} must be run as root. `)
})

test("the log of another client's container is with that client", async () => {
  const paths = sandboxPaths(`${base}/run`, 'default', 'web')
  const task = { id: 'web', namespace: 'default', sandboxId: 'web', bundle: '/no/such', address: 'unix:///x' }
  writeTaskRecord(paths, { ...task, createdAt: new Date().toISOString() })
  const { code, stderr } = await kata('logs', 'web')
  rmSync(`${base}/run/default`, { recursive: true })
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('[LOG_ELSEWHERE]') })
})

test('options of all commands may stand before or behind the name of the command', async () => {
  const before = await kata('--format', 'json', 'version')
  expect(JSON.parse(before.stdout)).toMatchObject({ name: 'kata-ts' })
  expect((await kata('version', '--format', 'json')).stdout).toBe(before.stdout)
})

test('words behind the command are its own, with and without --', async () => {
  for (const dashes of [[], ['--']]) {
    const { stderr } = await kata('run', '--rootfs', '/no/such', ...dashes, 'sh', '--bogus', '-x')
    expect(stderr).toContain('[ROOTFS_MISSING]')
  }
})

test('env tells of the VMM what it has, and nothing of another one', async () => {
  const told = async (driver: string) => {
    const file = `${base}/${driver}.toml`
    writeFileSync(file, `[hypervisor.${driver}]\n`)
    const { stdout } = await kata('env', '--format', 'json', '--config', file)
    return Object.keys((JSON.parse(stdout) as { Hypervisor: object }).Hypervisor)
  }
  const ofQemu = [
    'MachineType',
    'EntropySource',
    'VirtioFSDaemon',
    'HotPlugVFIO',
    'MemorySlots',
    'PCIeRootPort',
  ]
  expect(await told('qemu')).toEqual(expect.arrayContaining(ofQemu))
  expect((await told('firecracker')).filter((name) => ofQemu.includes(name))).toEqual([])
  expect(await told('firecracker')).toEqual(
    expect.arrayContaining(['Driver', 'Path', 'JailerPath', 'SharedFS']),
  )
  expect((await told('clh')).filter((name) => ofQemu.includes(name))).toEqual([
    'EntropySource',
    'VirtioFSDaemon',
  ])
})

test('config show has the keys and values of a file, as text and as JSON', async () => {
  const file = `${base}/shown.toml`
  writeFileSync(file, '[hypervisor.qemu]\nkernel_params = "a=1 b"\nenable_annotations = ["path"]\n')
  const show = async (...args: string[]) => (await kata('config', 'show', '--config', file, ...args)).stdout
  const text = await show()
  expect(text).toMatch(/hypervisor\.qemu +kernel_params +"a=1 b"\n/)
  expect(text).toMatch(/hypervisor\.qemu +initrd +""\n/)
  expect(text).toMatch(/hypervisor\.qemu +enable_annotations +\["path"\]\n/)
  const shown = JSON.parse(await show('--format', 'json'))
  expect(shown).toMatchObject({
    source: file,
    drop_ins: [],
    hypervisor: { qemu: { kernel_params: 'a=1 b', default_memory: 2048, enable_annotations: ['path'] } },
    agent: { kata: { dial_timeout: 45 } },
    runtime: { sandbox_cgroup_only: false },
  })
  // What it prints is a file again, with the same meaning.
  const { source, drop_ins: _, ...tables } = shown
  writeFileSync(file, stringify(tables))
  expect(source).toBe(file)
  expect(JSON.parse(await show('--format', 'json'))).toEqual(shown)
})

test.each([['gc'], ['env'], ['check'], ['config show']])(
  '%s tells each warning about the configuration once, as plain text',
  async (command) => {
    const file = `${base}/warned.toml`
    writeFileSync(file, '[hypervisor.qemu]\nrootless = true\nenable_iommu = true\n')
    const { stderr } = await kata(...command.split(' '), '--config', file)
    expect(stderr).toBe(
      `kata-ts: warning: ${file}:3: configuration key hypervisor.qemu.enable_iommu has no effect: guests have no virtual IOMMU\n`,
    )
  },
)

test.each([
  ['broken', '[hypervisor.qemu', 'CONFIG_SYNTAX'],
  [
    'refused',
    '[hypervisor.qemu]\nrootless_uid_base = 1310720000\nsev_snp_guest = true',
    'CONFIG_UNSUPPORTED',
  ],
])('gc cleans up beside a configuration that is %s, and says what it ignored', async (name, text, code) => {
  const file = `${base}/${name}.toml`
  writeFileSync(file, text)
  const { code: exit, stdout, stderr } = await kata('gc', '--config', file)
  expect({ exit, stdout }).toEqual({ exit: 0, stdout: 'nothing to collect\n' })
  expect(stderr).toStartWith('kata-ts: warning: the configuration is ignored, user ids are looked for in ')
  expect(stderr).toContain(name === 'refused' ? 'from 1310720000: ' : 'from 1879048192: ')
  expect(stderr).toContain(`[${code}] ${file}:`)
  expect((await kata('config', 'show', '--config', file)).code).toBe(1)
})

test('templates are listed and removed by what the configuration says, and made for no VMM that has none', async () => {
  const [file, path] = [`${base}/templates.toml`, `${base}/templates`]
  writeFileSync(file, `[hypervisor.qemu]\n[factory]\ntemplate_path = "${path}"\n`)
  const factory = (verb: string, ...args: string[]) => kata('factory', verb, '--config', file, ...args)
  const nothing = { code: 0, stderr: '' }
  const header = 'KEY  MADE  SIZE  VMM  ACCELERATOR  VCPUS  MEMORY  WAITING  STATE\n'
  expect(await factory('status')).toEqual({ ...nothing, stdout: header })
  const key = 'a'.repeat(64)
  const { saved, commit } = newTemplate(path, key)
  writeFileSync(saved.state, 'the machine')
  const { facts } = commit({
    key,
    madeAt: '2026-02-03T04:05:06.000Z',
    bootId: bootId(),
    vmm: '/usr/bin/qemu',
    kernel: '/k',
    initrd: '/i',
    accelerator: 'kvm',
    vcpus: 1,
    memoryMiB: 256,
  })
  const words = async () => (await factory('status')).stdout.split('\n')[1]!.split(/ {2,}/)
  const seen = [
    'aaaaaaaaaaaa',
    '2026-02-03T04:05:06.000Z',
    '4.0KiB',
    '/usr/bin/qemu',
    'kvm',
    '1',
    '256 MiB',
    '0',
  ]
  // Whether a pod of this configuration can be a clone of it (usable.test.ts).
  expect(await words()).toEqual([...seen, 'another VMM'])
  const shown = async () => JSON.parse((await factory('status', '--format', 'json')).stdout)
  const templates = [{ ...facts, diskBytes: 4096, waiting: 0, state: 'another VMM' }]
  expect(await shown()).toEqual({ templates, pool: null })
  const state = { number: 2, doing: 'held back', reason: 'tasks wait for a processor' } as const
  notePoolServer(`${base}/run`, { process: processRef(process.pid)!, ...state })
  const pool = { pid: process.pid, waiting: 0, starting: 0, ...state }
  expect(await shown()).toEqual({ templates, pool })
  expect((await factory('status')).stdout).toEndWith(
    '\n\npool: 0 of 2 machines wait, held back: tasks wait for a processor\n',
  )
  forgetPoolServer(`${base}/run`)
  const record = `${path}/${key}/template.json`
  writeFileSync(record, JSON.stringify({ ...facts, bootId: '0'.repeat(8) + bootId().slice(8) }))
  expect(await words()).toEqual([...seen, 'another boot'])
  writeFileSync(record, '[]')
  expect(await words()).toEqual([
    'aaaaaaaaaaaa',
    ...Array(6).fill('-'),
    '0',
    expect.stringContaining('is damaged'),
  ])
  expect(await factory('init', '--if-enabled')).toEqual({ ...nothing, stdout: '' })
  expect(await factory('serve', '--if-enabled')).toEqual({ ...nothing, stdout: '' })
  expect((await factory('serve')).stderr).toContain(
    '[POOL_REFUSED] no machines can be kept waiting: vm_cache_number in [factory] is 0. Set enable_template',
  )
  expect(await factory('destroy')).toEqual({ ...nothing, stdout: 'aaaaaaaaaaaa\n' })
  expect(await factory('destroy', '--format', 'json')).toEqual({ ...nothing, stdout: '[]\n' })
  for (const driver of ['clh', 'firecracker']) {
    writeFileSync(
      file,
      `[hypervisor.${driver}]\n${driver === 'clh' ? '' : '[runtime]\nstatic_sandbox_resource_mgmt = true\n'}`,
    )
    const { code, stderr } = await factory('init')
    expect(code).toBe(1)
    expect(stderr).toMatch(/^kata-ts: \[CONFIG_VMM_CANNOT\] kata-ts factory init: .*\[hypervisor.qemu\]/)
  }
})

test('data is JSON where it is asked for', async () => {
  for (const command of [['env'], ['config', 'show'], ['guest', 'list', '--cache-dir', base], ['check']]) {
    const { stdout } = await kata(...command, '--format', 'json')
    expect(() => JSON.parse(stdout)).not.toThrow()
  }
})

test('what another user wrote is not taken for the runtime’s own', async () => {
  const [theirs, victim] = [`${base}/theirs`, `${base}/victim`]
  for (const directory of [`${theirs}/default/pod`, victim]) mkdirSync(directory, { recursive: true })
  const owner = { op: 'take', id: 1, kind: 'owner', data: { pid: 1, startTime: '1' } }
  const tree = { op: 'take', id: 2, kind: 'tree', data: { path: victim } }
  const ledger = `${JSON.stringify(owner)}\n${JSON.stringify(tree)}\n`
  writeFileSync(`${theirs}/default/pod/ledger.jsonl`, ledger)
  // Ids that nothing else of this host has.
  const config = `${base}/gc.toml`
  writeFileSync(config, `[hypervisor.qemu]\nrootless_uid_base = ${0x6d000000}\nrootless_uid_blocks = 1\n`)
  chownSync(theirs, 1000, 1000)
  for (const option of ['--run-dir', '--state-dir']) {
    const { code, stderr } = await kata(option, theirs, 'gc', '--config', config)
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(`${theirs} is not a directory that only root`),
    ])
  }
  expect(existsSync(victim)).toBe(true)
  chownSync(theirs, 0, 0)
  await kata('--run-dir', theirs, 'gc', '--config', config)
  expect(existsSync(victim)).toBe(false)
})

test('what is made for containers has its own modes, whatever umask the caller has', async () => {
  const where = ['--run-dir', `${base}/run`, '--state-dir', `${base}/masked`]
  const command = [process.execPath, `${import.meta.dir}/main.ts`, ...where, 'volume', 'create', 'files']
  const { exitCode } = Bun.spawnSync(['sh', '-c', 'umask 077; exec "$@"', 'sh', ...command])
  expect(exitCode).toBe(0)
  // A container's user who is not root has to get in.
  expect(statSync(`${base}/masked/volumes/default/files/_data`).mode & 0o777).toBe(0o755)
})
