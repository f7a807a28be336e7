/** A user who is not root, through the service: one machine, with his files in it. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { eventually, Kata } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'

/** No accounts are needed: the service knows ids. The group is one of every Debian. */
const [alice, bob, group] = [4242, 4300, 60]
let kata: Kata
let service: Bun.Subprocess
let home: string

const start = () =>
  Bun.spawn(kata.command(['service', '--group', 'games']), { stdio: ['ignore', 'ignore', 'inherit'] })

beforeAll(async () => {
  kata = new Kata()
  for (const directory of [kata.runDir, kata.stateDir]) chmodSync(directory, 0o711)
  home = `${kata.stateDir}/home`
  mkdirSync(home)
  chownSync(home, alice, alice)
  for (const [name, uid, mode] of [
    ['mine', alice, 0o600],
    ['shadow', 0, 0o600],
    ['for-all', 0, 0o644],
  ] as const) {
    writeFileSync(`${home}/${name}`, `${name}\n`, { mode })
    chownSync(`${home}/${name}`, uid, uid)
  }
  service = start()
  await eventually('the service', async () => (await as(alice, 'ps')).code === 0 || undefined)
})
afterAll(async () => {
  await kata.call(['rm', '--force', '--namespace', `uid-${alice}`, 'box'])
  service.kill()
  await service.exited
  await kata.close()
})

async function as(uid: number, ...args: string[]) {
  const become = ['/usr/bin/setpriv', `--reuid=${uid}`, `--regid=${uid}`, `--groups=${group}`, '--']
  const child = Bun.spawn([...become, ...kata.command(['ps']).slice(0, 5), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: '/',
    env: { PATH: process.env.PATH ?? '' },
  })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return { stdout, stderr, code }
}

const inBox = (script: string) => as(alice, 'exec', 'box', 'sh', '-c', script)

test(
  'a container of his has his files with his rights, is his alone, and outlives the service',
  async () => {
    const run = await as(alice, 'run', '-d', '--name', 'box', '-v', `${home}:/data`, '--', 'sleep', '600')
    expect(run).toMatchObject({ code: 0, stdout: 'box\n' })
    expect(await inBox('cat /data/mine /data/for-all; exit 7')).toMatchObject({
      code: 7,
      stdout: 'mine\nfor-all\n',
    })
    // Root of the container is nobody's root on the host.
    expect((await inBox('id -u; cat /data/shadow')).stderr).toContain('Permission denied')
    expect((await inBox('echo x >> /data/for-all')).stderr).toContain('Permission denied')
    expect((await inBox('echo new > /data/new')).code).toBe(0)
    expect(statSync(`${home}/new`)).toMatchObject({ uid: alice, gid: alice })
    expect((await inBox('chown 5 /data/new')).code).not.toBe(0)
    expect((await inBox('chmod u+s /data/new; mknod /data/disk b 8 0')).code).not.toBe(0)

    expect((await as(bob, 'ps', '--quiet')).stdout).toBe('')
    expect((await as(bob, 'exec', 'box', 'id')).stderr).toContain('[CONTAINER_NOT_FOUND]')
    expect((await as(alice, 'run', '--privileged', '--', 'id')).stderr).toContain('[SERVICE_REFUSED]')

    service.kill('SIGKILL')
    await service.exited
    service = start()
    await eventually('the next service', async () => (await as(alice, 'ps')).code === 0 || undefined)
    expect((await inBox('cat /data/new')).stdout).toBe('new\n')
    expect(await as(alice, 'rm', '--force', 'box')).toMatchObject({ code: 0, stdout: 'box\n' })
    expect((await as(alice, 'ps', '--quiet')).stdout).toBe('')
  },
  slow(120_000),
)
