/** `kata-ts run -p`: a guest with a network of its own, reached by a port of the host and kept from the host's own services. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { networkInterfaces } from 'node:os'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { eventually, Kata } from './harness/kata.ts'
import { slow } from './harness/time.ts'

let kata: Kata
let before: HostState
beforeAll(async () => {
  kata = new Kata()
  expect((await kata.run(['true'])).code).toBe(0)
  before = hostState(kata.runDir)
})
afterAll(() => kata.close())

const tables = () => Bun.spawnSync(['nft', 'list', 'tables']).stdout.toString()
const textOf = async (url: string) =>
  fetch(url, { signal: AbortSignal.timeout(slow(5000)) }).then((answer) => answer.text())
/** Another address of the host than its localhost. */
const hostAddress = () =>
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, address }) => family === 'IPv4' && !address.startsWith('127.'))?.address ?? ''

test(
  'a published port leads in, the host’s services stay closed, and a killed shim leaves nothing of it',
  async () => {
    const tablesBefore = tables()
    const served = Bun.serve({ port: 0, hostname: '0.0.0.0', fetch: () => new Response('of the host') })
    const port = 20_000 + (process.pid % 10_000)
    const script = 'mkdir /www; echo hello > /www/index.html; exec httpd -f -h /www'
    const started = await kata.call([
      ...['run', '-d', '--name', 'net', '-p', `127.0.0.1:${port}:80`, '--', 'sh', '-c', script],
    ])
    expect(started).toMatchObject({ code: 0, stderr: '' })
    expect(
      await eventually('the port', () => textOf(`http://127.0.0.1:${port}/`).catch(() => undefined)),
    ).toBe('hello\n')

    const url = `http://${hostAddress()}:${served.port}/`
    expect(await textOf(url)).toBe('of the host')
    const tried = await kata.call(['exec', 'net', 'wget', '-T', '5', '-qO-', url])
    expect(tried.code).not.toBe(0)
    expect(tried.stdout).toBe('')

    const audit = await kata.call(['audit', 'net'])
    expect(audit.code).toBe(0)
    for (const name of ['pasta', 'pasta-gateway', 'pasta-container']) expect(audit.stdout).toContain(name)
    expect(tables()).not.toBe(tablesBefore)

    process.kill((await kata.inspect('net')).sandbox.shimPid, 'SIGKILL')
    expect((await kata.call(['rm', '-f', 'net'])).code).toBe(0)
    expect((await kata.call(['gc'])).code).toBe(0)
    expect(tables()).toBe(tablesBefore)
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
    await served.stop(true)
  },
  slow(180_000),
)
