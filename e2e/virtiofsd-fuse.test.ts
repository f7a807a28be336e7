/**
 * virtiofsd as the kernel of a guest meets it that is the attacker's: requests that no honest one sends, in raw FUSE over
 * vhost-user. No machine is needed: the attacker has the connection that the VMM would have. Beside each attack the same
 * request succeeds where it is meant to, in the one volume that may be written.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { closeSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Ledger } from '../src/ledger/ledger.ts'
import { isAlive, readStatus } from '../src/linux/processes/proc.ts'
import { silentLogger } from '../src/log.ts'
import { createHostShare } from '../src/sharing/host-share.ts'
import { directoryResource, mountResource } from '../src/sharing/resources.ts'
import { shareIdMap } from '../src/sharing/share-id-map.ts'
import { createShareTree } from '../src/sharing/share-tree.ts'
import { enterMountSandbox, type MountSandbox } from '../src/sharing/testing.ts'
import type { ShareDaemon } from '../src/sharing/virtiofsd/share-daemon.ts'
import { startVirtiofsd, virtiofsdResource } from '../src/sharing/virtiofsd/virtiofsd.ts'
import { slow } from './harness/time.ts'
import { fuseAttacks, malformed, setIdActs } from './virtiofsd/fuse-attacks.ts'

setDefaultTimeout(slow(60_000))

let sandbox: MountSandbox
let program: string

beforeAll(() => {
  sandbox = enterMountSandbox()
  program = `${sandbox.directory}/fuse`
  const source = `${import.meta.dir}/virtiofsd/fuse.c`
  const built = Bun.spawnSync(['gcc', '-O1', '-Wall', '-Werror', '-static', '-o', program, source])
  if (built.exitCode !== 0) throw new Error(`gcc: ${built.stderr}`)
})
afterAll(() => sandbox.leave())

/** A share with a volume to write, one to read, and beside them what the guest must not get. */
class Share {
  readonly directory: string
  readonly daemon: ShareDaemon
  readonly #ledger: Ledger
  readonly #names: Record<string, string>
  readonly #connection: number

  private constructor(parts: {
    directory: string
    daemon: ShareDaemon
    ledger: Ledger
    names: Record<string, string>
  }) {
    this.directory = parts.directory
    this.daemon = parts.daemon
    this.#ledger = parts.ledger
    this.#names = parts.names
    this.#connection = parts.daemon.connect()
  }

  static async start(name: string, nosuid: boolean): Promise<Share> {
    const directory = `${sandbox.directory}/${name}`
    for (const part of ['state', 'private', 'volume/directory', 'frozen'])
      mkdirSync(`${directory}/${part}`, { recursive: true })
    for (const path of ['secret', 'volume/file', 'volume/program', 'frozen/file'])
      writeFileSync(`${directory}/${path}`, 'text')
    Bun.spawnSync(['mknod', `${directory}/volume/zero`, 'c', '1', '5'])
    Bun.spawnSync(['mkfifo', `${directory}/volume/fifo`])
    const ledger = new Ledger(
      `${directory}/ledger`,
      [mountResource, directoryResource, virtiofsdResource],
      silentLogger,
    )
    const [stateDir, exportDir] = [`${directory}/state`, `${directory}/export`]
    const tree = await createShareTree(ledger, { stateDir, exportDir })
    const daemon = await startVirtiofsd(ledger, {
      sharedDir: tree.exported,
      stateDir,
      privateDir: `${directory}/private`,
      nosuid,
      program: '/usr/libexec/virtiofsd',
      cache: 'auto',
      extraArgs: [],
      ids: shareIdMap({ first: 0x7f000000, count: 65535 }),
    })
    const share = createHostShare(ledger, tree, daemon)
    const names: Record<string, string> = { directory }
    for (const [volume, readonly] of [
      ['volume', false],
      ['frozen', true],
    ] as const) {
      const source = `${directory}/${volume}`
      const path = await share.addBind('c', { source, destination: `/${volume}`, readonly, recursive: true })
      names[volume] = path.split('/').at(-1)!
    }
    return new Share({ directory, daemon, ledger, names })
  }

  /** Performs acts in one connection, the only one that the daemon takes; a result for each. */
  perform(acts: readonly string[]): string[] {
    const filled = acts.map((act) => act.replace(/\{(\w+)\}/g, (_, name: string) => this.#names[name]!))
    const { stdout, stderr } = Bun.spawnSync([program, ...filled], {
      stdio: ['ignore', 'pipe', 'pipe', this.#connection],
    })
    const lines = stdout.toString().trim().split('\n').filter(Boolean)
    const results = lines.map((line) => (JSON.parse(line) as { result: string }).result)
    if (results.length !== acts.length) throw new Error(`${results.length} of ${acts.length} acts: ${stderr}`)
    return results
  }

  /** As the end of the machine does. */
  disconnect(): void {
    closeSync(this.#connection)
  }

  async stop(): Promise<void> {
    await this.#ledger.releaseAll()
    expect(this.daemon.processes.filter(isAlive)).toEqual([])
  }
}

describe('a hostile kernel in the guest fails to', () => {
  let share: Share
  let results: Map<string, string>
  beforeAll(async () => {
    share = await Share.start('hostile', false)
    const prepared = 'symlink {volume} link /etc'
    const acts = [...new Set([prepared, ...fuseAttacks.flatMap(({ attack, control }) => [control, attack])])]
    const all = share.perform(acts)
    results = new Map(acts.map((act, index) => [act, all[index]!]))
  })
  afterAll(() => share.stop())

  for (const { goal, attack, result, control } of fuseAttacks)
    test(goal, () => {
      expect({ attack: results.get(attack), control: results.get(control) }).toEqual({
        attack: result,
        control: 'ok',
      })
    })

  test('what lies beside the volume is as it was, and the daemon serves on', () => {
    expect(readFileSync(`${share.directory}/secret`, 'utf8')).toBe('text')
    expect(readdirSync(share.directory).sort()).toEqual(
      ['export', 'frozen', 'ledger', 'private', 'secret', 'state', 'volume'].sort(),
    )
    expect(readdirSync(`${share.directory}/frozen`)).toEqual(['file'])
    expect(share.daemon.processes.map(isAlive)).toEqual([true, true])
  })
})

describe('with virtio_fs_nosuid it fails to', () => {
  const shares: Share[] = []
  let refused: string[]
  let given: string[]
  beforeAll(async () => {
    for (const nosuid of [true, false]) shares.push(await Share.start(`nosuid-${nosuid}`, nosuid))
    const acts = ['chmod {volume}:program 755', ...setIdActs.map(([, act]) => act)]
    const [first, second] = shares.map((share) => share.perform(acts))
    refused = first!
    given = second!
  })
  afterAll(async () => {
    for (const share of shares) await share.stop()
  })

  for (const [index, [goal]] of setIdActs.entries())
    test(goal, () => {
      expect({ refused: refused[index + 1], given: given[index + 1] }).toEqual({
        refused: 'EPERM',
        given: 'ok',
      })
    })

  test('control: it gives other modes, and leaves no file behind that has such a bit', () => {
    expect(refused[0]).toBe('ok')
    const find = ['find', `${shares[0]!.directory}/volume`, '-type', 'f', '-perm', '/6000']
    expect(Bun.spawnSync(find).stdout.toString()).toBe('')
    expect(lstatSync(`${shares[0]!.directory}/volume/program`).mode & 0o7777).toBe(0o755)
  })
})

describe.each(malformed)('a request that is none, %s', (act, result, next) => {
  test('costs its own machine alone its files: the daemon waits, and ends with it', async () => {
    const share = await Share.start(`malformed-${malformed.findIndex(([name]) => name === act)}`, false)
    const worker = share.daemon.processes[1]!
    expect(share.perform(['opcode 17', act, 'opcode 17'])).toEqual(['ok', result, next])
    expect(readStatus(`/proc/${worker.pid}/status`)!.get('State')).toBe('S (sleeping)')
    share.disconnect()
    await share.daemon.exited
    expect(isAlive(worker)).toBe(false)
    await share.stop()
  })
})
