// test:vmm: qemu
/** Clones of a template: each has a user, an identity and randomness of its own, and what no clone can be made of boots and says so. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { underDirectoryLock } from '../src/linux/files/directory-lock.ts'
import { TestNetns } from '../src/network/testing.ts'
import { configuration } from './harness/configuration.ts'
import { ownDirectory } from './harness/directories.ts'
import { Kata, type Outcome, scratch } from './harness/kata.ts'
import { type Syn, watchSyns } from './harness/network/tcp-syn.ts'
import { networkTool } from './harness/network/tool.ts'
import { slow } from './harness/time.ts'

let kata: Kata
let directory: string
const file = () => `${directory}/configuration.toml`
const templates = () => `${directory}/templates`

/** As the runtime is configured, with more in the table of the hypervisor. */
function configure(hypervisor = '', name = 'configuration.toml'): string {
  const table = `[hypervisor.qemu]\nrootless = true\ndefault_memory = 256\n${hypervisor}`
  const factory = `[factory]\nenable_template = true\ntemplate_path = "${templates()}"\n`
  writeFileSync(`${directory}/${name}`, configuration(`${table}${factory}`))
  return `${directory}/${name}`
}

const factory = (action: string, ...args: string[]) =>
  kata.call(['factory', action, '--config', file(), ...args])
const run = (script: string, ...flags: string[]): Promise<Outcome> =>
  kata.run(['sh', '-c', script], { flags: ['--config', file(), ...flags] })
const stateOf = () =>
  `${templates()}/${readdirSync(templates()).find((name) => /^[0-9a-f]{64}$/.test(name))}/state`

beforeAll(async () => {
  kata = new Kata()
  directory = ownDirectory('/var/lib/kata-ts-e2e-templates-')
  configure()
  expect(await factory('init')).toMatchObject({ code: 0, stderr: '' })
}, slow(120_000))
afterAll(async () => {
  await factory('destroy')
  await kata.close()
  rmSync(directory, { recursive: true })
})

test('making one leaves nothing but its files, which are root’s alone', async () => {
  expect(statSync(templates())).toMatchObject({ uid: 0, gid: 0, mode: 0o40700 })
  expect(statSync(stateOf())).toMatchObject({ uid: 0, gid: 0, mode: 0o100600 })
  expect(readdirSync(templates())).toHaveLength(1)
  expect(existsSync(`${kata.runDir}/template`) ? readdirSync(`${kata.runDir}/template`) : []).toEqual([])
  const { stdout } = await factory('status', '--format', 'json')
  expect(JSON.parse(stdout)).toEqual({
    templates: [expect.objectContaining({ state: 'usable', memoryMiB: 256, vcpus: 1 })],
    pool: null,
  })
})

test(
  'two clones at once have nothing of each other',
  async () => {
    const names = ['left', 'right'] as const
    const started = await Promise.all(
      names.map((name) => kata.call(['run', '-d', '--name', name, '--config', file(), '--', 'sleep', '600'])),
    )
    for (const outcome of started) expect(outcome).toMatchObject({ code: 0, stderr: '' })
    const facts = await Promise.all(names.map((name) => kata.inspect(name)))
    const key = stateOf().split('/').at(-2)
    for (const { sandbox } of facts)
      expect(sandbox).toMatchObject({ template: key, rootless: true, memoryMiB: 256 })
    expect(facts[0].sandbox.uid).not.toBe(facts[1].sandbox.uid)
    const random = '/proc/sys/kernel/random'
    const look = [
      ...[`cat ${random}/boot_id`, `cat ${random}/uuid`, 'hostname', 'head -c 16 /dev/urandom | od -An -tx1'],
      // Where the kernel has put the stack of a new process, and its random bytes for that.
      ...["grep stack /proc/self/maps | cut -d' ' -f1", 'od -An -tx8 -v /proc/self/auxv | head -c 800'],
    ]
    for (const command of look) {
      const said = await Promise.all(names.map((name) => kata.call(['exec', name, 'sh', '-c', command])))
      for (const outcome of said) expect(outcome).toMatchObject({ code: 0, stderr: '' })
      expect({ command, same: said[0]!.stdout === said[1]!.stdout }).toEqual({ command, same: false })
    }
    const audit = await kata.call(['audit'])
    expect(audit).toMatchObject({ code: 0 })
    expect(audit.stdout.match(/^vmm, process \d+: as asked for$/gm)).toHaveLength(2)
    for (const name of names) await kata.call(['rm', '-f', name])
  },
  slow(120_000),
)

/** A pod's network of one link, whose other end is in a namespace of its own: two of them can have the same addresses. */
function linked(name: string): { pod: TestNetns; peer: TestNetns } & Disposable {
  const ends = { pod: new TestNetns(`kt-${name}`), peer: new TestNetns(`kt-${name}-peer`) }
  const { pod, peer } = ends
  pod.veth('eth0', 'peer', { peer })
  pod.address('eth0', `${address.pod}/24`)
  peer.address('peer', `${address.peer}/24`)
  // What the pod sends arrives, and nobody takes it: no connection is made, and the same one can be tried again.
  pod.ip(`neigh add ${address.peer} lladdr 02:00:00:00:00:99 dev eth0 nud permanent`)
  const release = () => {
    for (const netns of [pod, peer]) netns[Symbol.dispose]()
  }
  return { ...ends, [Symbol.dispose]: release }
}

test(
  'TCP sequence numbers and SYN cookies of one clone say nothing of those of another',
  async () => {
    using tools = scratch()
    networkTool('tcp-syn', tools.path)
    const names = ['left', 'right'] as const
    using made = new DisposableStack()
    const links = names.map((name) => made.use(linked(name)))
    const flags = ['--config', file(), '--sysctl', 'net.ipv4.tcp_syncookies=2']
    const listen = ['httpd', '-f', '-p', `${port.listen}`, '-h', '/bin']
    const seen = await Promise.all(
      names.map(async (name, at) => {
        const { pod, peer } = links[at]!
        const more = ['--name', name, '--network', `ns:${pod.path}`, '-v', `${tools.path}:/tools:ro`]
        const started = await kata.call(['run', '-d', ...flags, ...more, '--', ...listen])
        expect(started).toMatchObject({ code: 0, stderr: '' })
        expect((await kata.inspect(name)).sandbox.template).toBe(stateOf().split('/').at(-2))
        await using watch = await watchSyns(tools.path, peer, 'peer')
        const send = (directory: string, ...words: readonly (string | number)[]) => [
          ...[`${directory}/tcp-syn`, 'send', ...words.map(String)],
        ]
        // Each port twice: with the same secret the numbers run on with the clock.
        for (const from of [...port.from, ...port.from]) {
          const sent = await kata.call(['exec', name, ...send('/tools', from, address.peer, 9, 0)])
          expect(sent).toMatchObject({ code: 0, stderr: '' })
        }
        // It asks again after one second and after three.
        peer.run(...send(tools.path, port.from[0]!, address.pod, port.listen, 4))
        await kata.call(['rm', '-f', name])
        return watch.seen
      }),
    )
    const [left, right] = seen as [readonly Syn[], readonly Syn[]]
    const driftsOf = (one: readonly Syn[], other: readonly Syn[]) =>
      port.from.map((from) => Math.abs(drift(ofPort(one, from)[0]!, ofPort(other, from).at(-1)!)))
    for (const syns of [left, right]) expect(driftsOf(syns, syns).filter((ms) => ms > nearMs)).toEqual([])
    expect(driftsOf(left, right).some((ms) => ms > nearMs)).toBe(true)

    const [cookies, others] = [cookiesOf(left), cookiesOf(right)]
    for (const values of [cookies, others]) expect(new Set(values).size).toBeLessThan(values.length)
    expect(cookies.filter((value) => others.includes(value))).toEqual([])
  },
  slow(120_000),
)

const address = { pod: '10.66.0.2', peer: '10.66.0.1' }
const port = { from: [40_001, 40_002, 40_003, 40_004], listen: 7000 }
/** Clocks and their readings are closer than this, milliseconds; of four random numbers some are further off but once in a million. */
const nearMs = 4000

const ofPort = (syns: readonly Syn[], from: number) =>
  syns.filter((syn) => syn.from === from && syn.to === 9 && syn.acknowledged === 0)
/** By how much two sequence numbers are apart beyond the time between them, milliseconds: they count the clock in 64 ns (secure_tcp_seq). */
function drift(one: Syn, other: Syn): number {
  const ticks = other.sequence - one.sequence - Math.round(((other.at - one.at) * 1000) / 64)
  return ((ticks | 0) * 64) / 1e6
}
/** A cookie is the sum of what the client sent, two secrets and minutes of the kernel's, which clones count from their template's on
 *  (cookie_v4_init_sequence). */
const cookiesOf = (syns: readonly Syn[]) =>
  syns.filter(({ from }) => from === port.listen).map((syn) => (syn.sequence - syn.acknowledged) >>> 0)

test('a clone has the time of its host, not of its template', async () => {
  const before = Math.floor(Date.now() / 1000)
  const { stdout } = await run('date +%s')
  expect(Number(stdout)).toBeGreaterThanOrEqual(before)
  expect(Number(stdout)).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000))
})

test('a clone grows to what its container needs', async () => {
  const { code, stdout, stderr } = await run(
    'nproc; grep MemTotal /proc/meminfo',
    '-m',
    '512m',
    '--cpus',
    '2',
  )
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const [cpus, memory] = stdout.split('\n')
  expect(cpus).toBe('2')
  expect(Number(memory!.replace(/\D/g, ''))).toBeGreaterThan(600 * 1024)
})

test('a configuration without a template boots, and says so', async () => {
  const other = configure('kernel_params = "other=1"\n', 'other.toml')
  const outcome = await kata.run(['grep', '-o', 'other=1', '/proc/cmdline'], { flags: ['--config', other] })
  expect(outcome).toMatchObject({ code: 0, stdout: 'other=1\n' })
  expect(outcome.stderr).toContain(
    '[TEMPLATE_UNUSABLE] the pod cannot start as a clone of a template: there is none for this kernel',
  )
})

test('what cannot be in a template is named', async () => {
  const other = configure('enable_virtio_mem = true\n', 'virtio-mem.toml')
  const outcome = await kata.run(['true'], { flags: ['--config', other] })
  expect(outcome).toMatchObject({ code: 0 })
  expect(outcome.stderr).toContain('enable_virtio_mem of the configuration allows none')
  expect((await kata.call(['factory', 'init', '--config', other])).stderr).toContain('[TEMPLATE_UNUSABLE]')
})

test(
  'a damaged template is not used, and a new one is',
  async () => {
    const { size } = statSync(stateOf())
    truncateSync(stateOf(), size - 4096)
    const outcome = await run('echo booted')
    expect(outcome).toMatchObject({ code: 0, stdout: 'booted\n' })
    expect(outcome.stderr).toContain('[TEMPLATE_UNUSABLE]')
    expect((await factory('status')).stdout).toContain('is damaged: it has ')
    expect((await factory('init')).code).toBe(0)
    expect(await run('echo cloned')).toEqual({ code: 0, stdout: 'cloned\n', stderr: '' })
  },
  slow(120_000),
)

test(
  'while another command is at the templates, none are made or removed',
  async () => {
    const held = Promise.withResolvers<void>()
    const holder = underDirectoryLock(templates(), 0, () => held.promise)
    for (const action of ['init', 'destroy']) {
      const outcome = await factory(action)
      expect(outcome).toMatchObject({ code: 1, stdout: '' })
      expect(outcome.stderr).toContain('[TEMPLATE_BUSY]')
    }
    held.resolve()
    expect(await holder).toBe('done')
    expect(await run('echo cloned')).toEqual({ code: 0, stdout: 'cloned\n', stderr: '' })
  },
  slow(120_000),
)

test(
  'one of another boot goes when the next is made, one of another configuration stays, and so do clones of both',
  async () => {
    const other = configure('kernel_params = "kept=1"\n', 'kept.toml')
    expect(await kata.call(['factory', 'init', '--config', other])).toMatchObject({ code: 0, stderr: '' })
    const keys = readdirSync(templates()).sort()
    expect(keys).toHaveLength(2)
    for (const [name, config] of [
      ['first', file()],
      ['second', other],
    ] as const)
      expect(
        await kata.call(['run', '-d', '--name', name, '--config', config, '--', 'sleep', '600']),
      ).toMatchObject({ code: 0, stderr: '' })
    const earlier = 'e'.repeat(64)
    cpSync(`${templates()}/${keys[0]}`, `${templates()}/${earlier}`, { recursive: true })
    const facts = `${templates()}/${earlier}/template.json`
    const of = { key: earlier, bootId: '01234567-89ab-cdef-0123-456789abcdef' }
    writeFileSync(facts, JSON.stringify({ ...JSON.parse(readFileSync(facts, 'utf8')), ...of }))
    const { code, stderr } = await factory('init')
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(
        /^(kata-ts: )?removed eeeeeeeeeeee, a template of another boot of the host\n$/,
      ),
    })
    expect(readdirSync(templates()).sort()).toEqual(keys)
    for (const name of ['first', 'second']) {
      expect(await kata.call(['exec', name, 'echo', 'here'])).toMatchObject({ code: 0, stdout: 'here\n' })
      await kata.call(['rm', '-f', name])
    }
    const outcome = await kata.run(['grep', '-o', 'kept=1', '/proc/cmdline'], { flags: ['--config', other] })
    expect(outcome).toEqual({ code: 0, stdout: 'kept=1\n', stderr: '' })
  },
  slow(240_000),
)

test('without any, there is nothing left', async () => {
  expect((await factory('destroy')).stdout).toMatch(/^([0-9a-f]{12}\n){2}$/)
  expect(existsSync(templates())).toBe(false)
})
