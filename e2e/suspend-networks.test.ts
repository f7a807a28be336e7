// test:vmm: qemu
/** Machines with a network that are saved: they get another one, connections of before are lost out loud, and new ones work. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { rmSync, writeFileSync } from 'node:fs'
import { ip, TestNetns } from '../src/network/testing.ts'
import { configuration } from './harness/configuration.ts'
import { ownDirectory } from './harness/directories.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { eventually, Kata } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { vmm } from './harness/vmm.ts'

let kata: Kata
let directory: string
let before: HostState
beforeAll(() => {
  kata = new Kata(vmm, { network: 'default' })
  directory = ownDirectory('/var/lib/kata-ts-e2e-suspend-')
  const table = '[hypervisor.qemu]\nrootless = true\ndefault_memory = 256\nshared_fs = "none"\n'
  writeFileSync(`${directory}/disks.toml`, configuration(table))
  before = hostState(kata.runDir)
})
afterAll(async () => {
  await kata.close()
  rmSync(directory, { recursive: true })
})

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await kata.call(args)
  expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: '' })
  return stdout
}
const run = (name: string, flags: readonly string[], script: string) =>
  ok('run', '-d', '--name', name, '--config', `${directory}/disks.toml`, ...flags, '--', 'sh', '-c', script)
const shell = (name: string, script: string) => ok('exec', name, 'sh', '-c', script)
const tables = () => Bun.spawnSync(['nft', 'list', 'tables']).stdout.toString()
const textOf = (port: number) =>
  eventually(`port ${port}`, () =>
    fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(slow(5000)) })
      .then((answer) => answer.text())
      .catch(() => undefined),
  )
const website = 'mkdir /www; echo hello >/www/index.html; httpd -h /www'

/** Port 8000 says a line to each who comes, and reads what he says; 8001 answers and closes it. Tells how many it holds. */
const neighbourly = `
const net = require('net'); let held = 0
const tell = (more) => console.log(held += more)
net.createServer((c) => { c.write('here\\n'); tell(1); c.resume(); c.on('error', () => {}); c.on('close', () => tell(-1)) }).listen(8000)
net.createServer((c) => c.end('answer\\n')).listen(8001, () => console.log('up'))
`

test(
  'what waits for a connection learns that it is lost, those within the guest stay, and the network works again',
  async () => {
    const tablesBefore = tables()
    using near = new TestNetns('kt-susp')
    near.veth('eth0', 'kt-susp0')
    near.address('eth0', '10.90.202.2/24')
    ip('addr add 10.90.202.1/24 dev kt-susp0')
    const server = Bun.spawn(['ip', 'netns', 'exec', near.name, process.execPath, '-e', neighbourly], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const words = server.stdout.pipeThrough(new TextDecoderStream()).getReader()
    let heard = ''
    const hears = async (word: string) => {
      while (!heard.endsWith(`${word}\n`)) {
        const { value, done } = await words.read()
        if (done) throw new Error(`the neighbour has ended after ${JSON.stringify(heard)}`)
        heard += value
      }
    }
    await hears('up')
    const around = hostState(kata.runDir)
    const port = 20_000 + (process.pid % 10_000)
    const script = `mkfifo /pipe; ${website}
      (nc 10.90.202.2 8000 <>/pipe >/reader 2>&1; echo lost >>/reader) &
      (yes | nc 10.90.202.2 8000 >/writer 2>&1; echo lost >>/writer) &
      nc -l -p 5000 <>/pipe >/inner &
      until nc 127.0.0.1 5000 <>/pipe >/dev/null; do sleep 0.1; done &
      exec sleep 3600`
    await run('web', ['-p', `127.0.0.1:${port}:80`], script)
    expect(await textOf(port)).toBe('hello\n')
    await hears('2')
    // The end that listened is of IPv6.
    const established = `grep -c ': 0100007F:[0-9A-F]* 0100007F:1388 01 ' /proc/net/tcp`
    await eventually('the connection within', async () =>
      (await kata.call(['exec', 'web', 'sh', '-c', established])).stdout === '1\n' ? true : undefined,
    )
    const told = (name: string) =>
      eventually(`${name} to be told`, async () => {
        const said = await shell(name, 'cat /reader; tail -n 1 /writer')
        return /^here\n(.*\n)?lost\n(.*\n)?lost\n$/.test(said) || undefined
      })
    await ok('fork', 'web', 'other')
    await told('other')
    await ok('rm', '-f', 'other')
    expect(await shell('web', 'cat /reader')).toBe('here\n')
    expect(heard).toEndWith('2\n')

    const { uid } = (await kata.inspect('web')).sandbox
    expect(await ok('suspend', 'web')).toBe('web\n')
    await hears('0')
    expect(tables()).toBe(tablesBefore)
    expect(leftBehind(around, hostState(kata.runDir))).toEqual([])
    expect(await ok('resume', 'web')).toBe('web\n')

    await told('web')
    expect(await shell('web', established)).toBe('1\n')
    expect(await shell('web', 'nc 10.90.202.2 8001 </dev/null')).toBe('answer\n')
    expect(await textOf(port)).toBe('hello\n')
    expect((await kata.inspect('web')).sandbox.uid).not.toBe(uid)
    expect((await kata.call(['audit', 'web'])).code).toBe(0)
    await ok('rm', '-f', 'web')
    server.kill()
    await server.exited
    expect(tables()).toBe(tablesBefore)
    expect(leftBehind(around, hostState(kata.runDir))).toEqual([])
  },
  slow(240_000),
)

test(
  'forks have addresses of their own on a network of many, and snapshots the ports that are asked for',
  async () => {
    await ok('network', 'create', 'shop', '--subnet', '10.89.202.0/24')
    const address = (name: string) => shell(name, 'ip -o -4 addr show dev eth0 | sed "s/.*inet //; s/ .*//"')
    const card = (name: string) => shell(name, 'cat /sys/class/net/eth0/address')
    // Below those that the kernel gives to clients, as the one after it.
    const port = 10_000 + (process.pid % 10_000)
    await run('first', ['--network', 'shop', '-p', `127.0.0.1:${port}:80`], `${website}; exec sleep 3600`)
    await textOf(port)
    await ok('fork', 'first', 'second')
    await ok('snapshot', 'create', 'first', 'warm')
    const from = ['run', '-d', '--config', `${directory}/disks.toml`, '--from', 'warm', '--name', 'third']
    await ok(...from, '-p', `127.0.0.1:${port + 1}:80`)
    const all = ['first', 'second', 'third']
    for (const of of [address, card])
      expect(new Set(await Promise.all(all.map((name) => of(name)))).size).toBe(all.length)
    for (const at of [port, port + 1]) expect(await textOf(at)).toBe('hello\n')
    for (const [name, other] of [
      ['second', 'first'],
      ['first', 'second'],
      ['third', 'second'],
    ] as const)
      expect(await shell(name, `wget -T 5 -qO- http://${other}/`)).toBe('hello\n')
    expect(await ok('port', 'second')).toBe('')
    const wrong = await kata.call([...from.slice(0, -1), 'fourth', '--network', 'none'])
    expect(wrong.stderr).toContain('[OPTION_CONFLICT]')
    await ok('rm', '-f', ...all)
    await ok('snapshot', 'rm', 'warm')
    await ok('network', 'rm', 'shop')
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  },
  slow(240_000),
)

test(
  'a network that is somebody else’s cannot be made again',
  async () => {
    using theirs = new TestNetns('kt-susp-2')
    theirs.veth('eth0', 'kt-susp1')
    theirs.address('eth0', '10.90.203.2/24')
    await run('theirs', ['--network', `ns:${theirs.path}`], 'exec sleep 3600')
    const refused = await kata.call(['suspend', 'theirs'])
    expect(refused.stderr).toContain(
      '[CHECKPOINT_REFUSED] the machine of theirs cannot be saved: its network is not of kata-ts',
    )
    await ok('rm', '-f', 'theirs')
  },
  slow(120_000),
)
