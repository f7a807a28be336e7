/** Other programs in the places of pasta and of the name server: which sockets and namespaces each may make, by the errno, as JSON. */
import { writeFileSync } from 'node:fs'
import { killUids } from '../../linux/processes/uid-processes.ts'
import { command } from '../testing.ts'
import { makeOutside, nameServerOfHost, outside, testLedger, token } from './testing.ts'
import { startUplink } from './uplink.ts'

const uid = 1_867_000_060
const [, , directory = ''] = process.argv
await makeOutside()
nameServerOfHost(outside.dns)
const { signal } = new AbortController()

const [socket, socketpair, SOCK_STREAM, SOCK_DGRAM] = [41, 53, 1, 2]
const [unshare, CLONE_NEWUSER] = [272, 0x10000000]
const families = { vsock: 40, unix: 1, packet: 17, inet: 2, inet6: 10 } as const
const tries = Object.entries(families)
  .map(([name, family]) => `"${name}=" . (syscall(${socket}, ${family}, ${SOCK_STREAM}, 0) < 0 ? 0+$! : 0)`)
  .join(', ')
const netlink = `"netlink=" . (syscall(${socket}, 16, ${SOCK_DGRAM}, 0) < 0 ? 0+$! : 0)`
const pairs = Object.entries({ streams: SOCK_STREAM, datagrams: SOCK_DGRAM })
  .map(
    ([name, type]) =>
      `"${name}=" . (syscall(${socketpair}, ${families.unix}, ${type}, 0, $b = "\\0" x 8) < 0 ? 0+$! : 0)`,
  )
  .join(', ')
const namespace = `"namespace=" . (syscall(${unshare}, ${CLONE_NEWUSER}) < 0 ? 0+$! : 0)`
const program = `print STDERR join(" ", ${tries}, ${pairs}, ${namespace}, ${netlink}), "\\n"; exit 1`

/** What the program said whose start failed. */
const said = (start: Promise<unknown>) =>
  start.then(
    () => 'started',
    (error) => /vsock=.*netlink=\d+/.exec(String(error))?.[0] ?? String(error),
  )

const ledger = testLedger(directory)
const options = { uid, token, stateDir: directory, signal }
const perl = { executable: '/usr/bin/perl', prefix: ['-e', program, '--'] }
const named = { ports: [], allowed: [{ host: 'good.test' }] }
const resolver = await said(startUplink(ledger, { ...options, wishes: named, program: perl }))
await ledger.releaseAll()
await killUids(uid, uid)
const pasta = command('sh', '-c', 'command -v pasta').trim()
writeFileSync(`${directory}/pasta`, `#!/usr/bin/perl\n${program}\n`, { mode: 0o755 })
command('chmod', '755', directory)
command('mount', '--bind', `${directory}/pasta`, pasta)
const inPlaceOfPasta = await said(startUplink(ledger, { ...options, wishes: { ports: [] } }))
await ledger.releaseAll()
console.log(JSON.stringify({ pasta: inPlaceOfPasta, resolver }))
process.exit(0)
