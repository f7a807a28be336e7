/** The host of a container that may reach nothing: how its questions for names end, as JSON. */
import { killUids } from '../../linux/processes/uid-processes.ts'
import { containerLink } from './addresses.ts'
import { makeOutside, nameServerOfHost, outside, testLedger, token } from './testing.ts'
import { startUplink } from './uplink.ts'

const uid = 1_867_000_090
const [, , directory = ''] = process.argv
await makeOutside()
nameServerOfHost(outside.dns)
const ledger = testLedger(directory)
const { signal } = new AbortController()
const wishes = { ports: [], allowed: [] }
const { container } = await startUplink(ledger, { wishes, uid, token, stateDir: directory, signal })
/** What bash says of a question by each protocol, or that nothing came back. */
const asked = (protocol: 'tcp' | 'udp') => {
  const script = `exec 3<>/dev/${protocol}/${containerLink.gateway}/53 && printf question >&3 && head -c 1 <&3`
  const enter = ['nsenter', `--net=/proc/${container.pid}/ns/net`, '--', 'timeout', '3']
  const { exitCode, stderr } = Bun.spawnSync([...enter, 'bash', '-c', script], { env: { LC_ALL: 'C' } })
  return exitCode === 124 ? 'nothing' : /[^:]+$/.exec(stderr.toString().trim())?.[0].trim()
}
const answers = { tcp: asked('tcp'), udp: asked('udp') }
await ledger.releaseAll()
await killUids(uid, uid)
console.log(JSON.stringify(answers))
process.exit(0)
