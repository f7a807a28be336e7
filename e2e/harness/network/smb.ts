/** Samba in a network namespace of its own, with a port on the pods' bridge: it takes encrypted SMB 3.1.1 alone, and one user's password. */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { sambaDir, sambaLibraries, smbdPath } from '../../../setup/packages/samba.ts'
import { ip, TestNetns } from '../../../src/network/testing.ts'
import { ownDirectory } from '../directories.ts'
import { eventually } from '../kata.ts'

export const hasSamba = existsSync(smbdPath)

/** A user without rights whom every Debian has. */
const nobody = { name: 'nobody', uid: 65534, gid: 65534 }
const env = { PATH: process.env.PATH ?? '', LD_LIBRARY_PATH: sambaLibraries }

export interface SmbServer extends AsyncDisposable {
  /** Options of mount(8). */
  readonly options: string
  readonly share: string
  /** What a file of the share holds now. */
  text(name: string): string
}

/** Serves a directory with the file `name` at `address`, which is free on the bridge's network. */
export async function serveSmb(
  { bridge, address }: { readonly bridge: string; readonly address: string },
  name: string,
  content: string,
): Promise<SmbServer> {
  const state = ownDirectory('/var/lib/kata-ts-e2e-smb-')
  const [configuration, shared] = [`${state}/smb.conf`, `${state}/shared`]
  // Samba goes to what it shares as the user.
  chmodSync(state, 0o711)
  mkdirSync(`${state}/own`, { mode: 0o700 })
  mkdirSync(shared)
  writeFileSync(`${shared}/${name}`, content)
  for (const path of [shared, `${shared}/${name}`]) chownSync(path, nobody.uid, nobody.gid)
  writeFileSync(configuration, configurationOf(state, shared))
  const password = crypto.randomUUID()
  addUser(configuration, password)

  const word = state.slice(state.lastIndexOf('-') + 1)
  const netns = new TestNetns(`kts-${word}`)
  netns.veth('eth0', `kts${word}`)
  netns.address('eth0', `${address}/24`)
  ip(`link set kts${word} master ${bridge}`)
  const log = openSync(`${state}/log`, 'a')
  const server = Bun.spawn(
    ['ip', 'netns', 'exec', netns.name, smbdPath, '-F', '-s', configuration, '--debug-stdout'],
    { env, stdio: ['ignore', log, log] },
  )
  await eventually('smbd', () => netns.run('cat', '/proc/net/tcp').includes(':01BD ') || undefined)
  return {
    share: `//${address}/shared`,
    options: `ip=${address},username=${nobody.name},password=${password},vers=3.1.1,seal`,
    text: (name) => readFileSync(`${shared}/${name}`, 'utf8'),
    async [Symbol.asyncDispose]() {
      server.kill()
      await server.exited
      netns[Symbol.dispose]()
      rmSync(state, { recursive: true, force: true })
    },
  }
}

const configurationOf = (state: string, shared: string): string => `[global]
server role = standalone server
server min protocol = SMB3_11
server smb encrypt = required
smb ports = 445
disable netbios = yes
load printers = no
rpc start on demand helpers = no
${['private dir', 'state directory', 'cache directory', 'lock directory', 'pid directory', 'ncalrpc dir']
  .map((key) => `${key} = ${state}/own\n`)
  .join('')}
[shared]
path = ${shared}
read only = no
`

function addUser(configuration: string, password: string): void {
  const argv = [`${sambaDir}/usr/bin/smbpasswd`, '-c', configuration, '-L', '-s', '-a', nobody.name]
  const { exitCode, stderr } = Bun.spawnSync(argv, { env, stdin: Buffer.from(`${password}\n${password}\n`) })
  if (exitCode !== 0) throw new Error(`smbpasswd: ${stderr}`)
}
