/** The rules that lead to Docker's name server, in a network namespace of the test's own, with nft and where it is not installed. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Ledger } from '../ledger/ledger.ts'
import { silentLogger } from '../log.ts'
import { embeddedDnsResource, leadToEmbeddedDns } from './embedded-dns.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/embedded-dns-`)
})
afterEach(() => rmSync(directory, { recursive: true }))

const nft = '/usr/sbin/nft'
const noNft = existsSync(nft) ? '' : ' (skipped: nft is not installed)'

/** Whether the guest gets a way to a name server that is there, what is held for it, how often it was warned, and what is held after the release. */
async function led(hide: boolean): Promise<unknown> {
  const code = `
    import { Ledger } from '${import.meta.dir}/../ledger/ledger.ts'
    import { lastingIdentity, openOwnNetns } from '${import.meta.dir}/../linux/processes/netns.ts'
    import { createLogger } from '${import.meta.dir}/../log.ts'
    import { embeddedDnsResource, leadToEmbeddedDns, usableEmbeddedDns } from '${import.meta.dir}/embedded-dns.ts'
    const warnings = []
    const log = createLogger({ sink: ({ message }) => void warnings.push(message) })
    const ledger = new Ledger('${directory}/ledger.jsonl', [embeddedDnsResource], log)
    const data = { netns: '/proc/self/ns/net', identity: lastingIdentity(openOwnNetns()) }
    const hostname = '127.0.0.11'
    const udp = await Bun.udpSocket({ hostname })
    const tcp = Bun.listen({ hostname, port: 0, socket: { data() {} } })
    const ports = usableEmbeddedDns(log)
    const led = ports !== undefined && ports.udp === udp.port && ports.tcp === tcp.port
    if (ports !== undefined) await leadToEmbeddedDns(ledger, data, { tap: 'tap0', ports })
    udp.close()
    tcp.stop()
    const held = [...ledger.held]
    await ledger.releaseAll()
    console.log(JSON.stringify({ led, held, warned: warnings.length, left: ledger.held }))`
  const script = `ip link set lo up; ${hide ? `mount --bind /dev/null ${nft}; ` : ''}exec "$@"`
  const program = ['/bin/sh', '-ec', script, 'sh', process.execPath, '-e', code]
  const child = Bun.spawn(['/usr/bin/unshare', '--mount', '--net', ...program], { stderr: 'inherit' })
  return JSON.parse(await child.stdout.text())
}

test.skipIf(noNft !== '')(`the rules are held, and gone after the release${noNft}`, async () => {
  expect(await led(false)).toEqual({ led: true, held: ['embedded-dns'], warned: 0, left: [] })
})

test.skipIf(noNft !== '')(
  `without nft the guest gets no way to it, a warning says so, and nothing keeps the sandbox from being released${noNft}`,
  async () => {
    expect(await led(true)).toEqual({ led: false, held: [], warned: 1, left: [] })
  },
)

test.skipIf(noNft !== '')(
  `rules that cannot be laid fail the start, and nothing is held${noNft}`,
  async () => {
    const ledger = new Ledger(`${directory}/ledger.jsonl`, [embeddedDnsResource], silentLogger)
    const data = { netns: `${directory}/none`, identity: 'gone' } as never
    const ends = { tap: 'tap0', ports: { udp: 4000, tcp: 4001 } }
    await expect(leadToEmbeddedDns(ledger, data, ends)).rejects.toMatchObject({
      code: 'NETWORK_DNS_FAILED',
      fields: { reason: expect.stringContaining(`${directory}/none`) },
      remedy: expect.stringContaining('modprobe'),
    })
    expect(ledger.held).toEqual([])
  },
)
