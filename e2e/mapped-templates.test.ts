// test:vmm: qemu
/** Clones without a shared file system map one file as their memory: what one writes is its own, and the file stays as it was. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { silentLogger } from '../src/log.ts'
import { listPool } from '../src/sandbox/pool/pool.ts'
import { configuration } from './harness/configuration.ts'
import { ownDirectory } from './harness/directories.ts'
import { eventually, Kata } from './harness/kata.ts'
import { slow } from './harness/time.ts'

let kata: Kata
let directory: string
const templates = () => `${directory}/templates`

function configure(name: string, hypervisor = ''): string {
  const table = `[hypervisor.qemu]\nrootless = true\ndefault_memory = 256\nshared_fs = "none"\n${hypervisor}`
  const factory = `[factory]\nenable_template = true\ntemplate_path = "${templates()}"\nvm_cache_number = 1\n`
  writeFileSync(`${directory}/${name}`, configuration(`${table}${factory}`))
  return `${directory}/${name}`
}

const file = () => `${directory}/configuration.toml`
const factory = (action: string, config = file()) => kata.call(['factory', action, '--config', config])
const start = (name: string, ...flags: string[]) =>
  kata.call(['run', '-d', '--name', name, '--config', file(), ...flags, '--', 'sleep', '600'])
const shell = (name: string, command: string) => kata.call(['exec', name, 'sh', '-c', command])
const directoryOf = () => `${templates()}/${readdirSync(templates())[0]}`
const digest = () =>
  new Bun.CryptoHasher('sha256').update(readFileSync(`${directoryOf()}/memory`)).digest('hex')

interface Mapping {
  readonly access: string
  readonly inode: number
  readonly from: number
  readonly to: number
}

/** The guest's memory as its VMM has it mapped. */
function mappingOf(pid: number): Mapping {
  const line = readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .find((text) => text.endsWith(' /boot/memory'))!
  const [range, access, , , inode] = line.split(/ +/)
  const [from, to] = range!.split('-').map((text) => Number.parseInt(text, 16))
  return { access: access!, inode: Number(inode), from: from!, to: to! }
}

/** Whether the guest's memory has the text anywhere. */
function holds(pid: number, text: string): boolean {
  const { from, to } = mappingOf(pid)
  const dd = [
    'dd',
    `if=/proc/${pid}/mem`,
    'iflag=skip_bytes,count_bytes',
    `skip=${from}`,
    `count=${to - from}`,
  ]
  return Bun.spawnSync([...dd, 'bs=1M', 'status=none'], { maxBuffer: 2 ** 30 }).stdout.includes(text)
}

beforeAll(async () => {
  kata = new Kata()
  directory = ownDirectory('/var/lib/kata-ts-e2e-mapped-')
  configure('configuration.toml')
  expect(await factory('init')).toMatchObject({ code: 0, stderr: '' })
}, slow(120_000))
afterAll(async () => {
  await factory('destroy')
  await kata.close()
  rmSync(directory, { recursive: true })
})

test('the file of the memory is root’s, and nobody else comes to it', () => {
  for (const path of [templates(), directoryOf()])
    expect(statSync(path)).toMatchObject({ uid: 0, gid: 0, mode: 0o40700 })
  // A clone’s user opens it in a jail that shows it.
  expect(statSync(`${directoryOf()}/memory`)).toMatchObject({
    uid: 0,
    gid: 0,
    mode: 0o100444,
    size: 256 << 20,
  })
  expect(statSync(`${directoryOf()}/state`)).toMatchObject({ uid: 0, gid: 0, mode: 0o100600 })
  expect(statSync(`${directoryOf()}/state`).size).toBeLessThan(4 << 20)
  expect(existsSync(`${kata.runDir}/template`) ? readdirSync(`${kata.runDir}/template`) : []).toEqual([])
  const read = (uid: number) => {
    const user = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
    const command = ['setpriv', ...user, 'head', '-c1', `${directoryOf()}/memory`]
    return Bun.spawnSync(command, { env: { ...process.env, LC_ALL: 'C' } })
  }
  expect(read(65534)).toMatchObject({ exitCode: 1 })
  expect(read(65534).stderr.toString()).toContain('Permission denied')
  expect(read(0)).toMatchObject({ exitCode: 0 })
})

test('the drivers of what a clone gets are in the file already, and disks are found without a search', async () => {
  expect(await start('driven')).toMatchObject({ code: 0, stderr: '' })
  const modules = async () =>
    (await shell('driven', 'cat /proc/modules')).stdout.split('\n').map((line) => line.split(' ')[0])
  // Its disks are those of a SCSI controller, so that nothing of its own has asked for virtio_blk.
  expect(await modules()).toEqual(expect.arrayContaining(['virtio_blk', 'virtio_net', 'sd_mod', 'erofs']))
  expect((await shell('driven', 'grep -c "^/dev/sd" /proc/mounts')).stdout).not.toBe('')
  // The controllers of others are searched as ever.
  expect((await shell('driven', 'cat /sys/module/scsi_mod/parameters/scan')).stdout).toBe('async\n')
  expect(await kata.call(['rm', '-f', 'driven'])).toMatchObject({ code: 0 })
})

test(
  'what one clone writes is neither in the file nor in another clone',
  async () => {
    const before = digest()
    const names = ['left', 'right'] as const
    const started = await Promise.all(names.map((name) => start(name)))
    for (const outcome of started) expect(outcome).toMatchObject({ code: 0, stderr: '' })
    // Made of two halves, so that no command has it whole.
    const [half, other] = [crypto.randomUUID(), crypto.randomUUID()]
    const write = `printf '%s%s' ${half} ${other} >/dev/shm/secret`
    expect(await shell('left', write)).toMatchObject({ code: 0 })
    const [left, right] = (await Promise.all(names.map((name) => kata.inspect(name)))).map(
      ({ sandbox }) => sandbox,
    )
    const inode = statSync(`${directoryOf()}/memory`).ino
    for (const { template, vmmPid } of [left, right]) {
      // Huge pages would hold more than it uses; a kernel without them has no such line.
      expect(readFileSync(`/proc/${vmmPid}/status`, 'utf8')).not.toContain('THP_enabled:\t1')
      expect(template).toBe(directoryOf().split('/').at(-1))
      expect(mappingOf(vmmPid)).toMatchObject({ access: 'rw-p', inode })
    }
    expect(left.uid).not.toBe(right.uid)
    expect([left, right].map(({ vmmPid }) => holds(vmmPid, `${half}${other}`))).toEqual([true, false])
    expect(digest()).toBe(before)
    const audit = await kata.call(['audit'])
    expect(audit).toMatchObject({ code: 0 })
    expect(audit.stdout.match(/^vmm, process \d+: as asked for$/gm)).toHaveLength(2)
    for (const name of names) await kata.call(['rm', '-f', name])
    expect(digest()).toBe(before)
  },
  slow(120_000),
)

test(
  'a clone grows by memory that has no file',
  async () => {
    expect(await start('grown', '-m', '512m')).toMatchObject({ code: 0, stderr: '' })
    const { stdout } = await shell('grown', 'grep MemTotal /proc/meminfo')
    expect(Number(stdout.replace(/\D/g, ''))).toBeGreaterThan(600 * 1024)
    await kata.call(['rm', '-f', 'grown'])
  },
  slow(120_000),
)

test(
  'a machine that waits for its pod is one, too',
  async () => {
    mkdirSync(`${directory}/pressure`)
    for (const name of ['cpu', 'memory'])
      writeFileSync(`${directory}/pressure/${name}`, 'some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n')
    const server = kata.spawn(['factory', 'serve', '--config', file()], {
      env: { KATA_TS_PRESSURE_DIR: `${directory}/pressure` },
    })
    const waiting = () => listPool(kata.runDir, silentLogger).find(({ state }) => state === 'waiting')
    const { id } = await eventually('a machine that waits', waiting, slow(60_000))
    expect(await start('taker')).toMatchObject({ code: 0, stderr: '' })
    const { sandbox } = await kata.inspect('taker')
    expect(sandbox.waited).toBe(id)
    expect(mappingOf(sandbox.vmmPid).access).toBe('rw-p')
    // It can be saved, and has its memory for itself from then on.
    expect(await shell('taker', 'echo kept >/dev/shm/file')).toMatchObject({ code: 0 })
    for (const word of ['suspend', 'resume'])
      expect(await kata.call([word, 'taker'])).toEqual({ code: 0, stdout: 'taker\n', stderr: '' })
    expect((await shell('taker', 'cat /dev/shm/file')).stdout).toBe('kept\n')
    const resumed = (await kata.inspect('taker')).sandbox
    expect(resumed.uid).not.toBe(sandbox.uid)
    expect(readFileSync(`/proc/${resumed.vmmPid}/maps`, 'utf8')).not.toContain('/boot/memory')
    server.kill('SIGTERM')
    await server.exited
    await kata.call(['rm', '-f', 'taker'])
  },
  slow(120_000),
)

test(
  'with memory that is given back each clone has the whole of its memory for itself',
  async () => {
    const reclaim = configure('reclaim.toml', 'reclaim_guest_freed_memory = true\n')
    const before = readdirSync(templates())
    expect(await factory('init', reclaim)).toMatchObject({ code: 0, stderr: '' })
    const [made] = readdirSync(templates()).filter((name) => !before.includes(name))
    expect(readdirSync(`${templates()}/${made}`).sort()).toEqual(['state', 'template.json'])
    rmSync(`${templates()}/${made}`, { recursive: true })
  },
  slow(120_000),
)

test(
  'a file that was changed since is not mapped',
  async () => {
    const memory = `${directoryOf()}/memory`
    writeFileSync(memory, 'x', { flag: 'r+' })
    const outcome = await kata.run(['echo', 'booted'], { flags: ['--config', file()] })
    expect(outcome).toMatchObject({ code: 0, stdout: 'booted\n' })
    expect(outcome.stderr).toContain(`${memory} is damaged: it was changed since it was saved`)
  },
  slow(120_000),
)
