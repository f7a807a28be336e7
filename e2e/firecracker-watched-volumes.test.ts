// test:vmm: firecracker
/** Volumes that kubelet changes, where they are copied into the guest: they raise inotify events there, and leave nothing behind. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually, Kata, scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { findVmm } from './harness/vmm.ts'
import { bootLimitMs } from './machine/stage.ts'

const firecracker = await findVmm('firecracker')
const area = scratch()
const config = join(area.path, 'config')
let kata: Kata

/** As kubelet's atomic writer does it. */
function publish(version: string, ...names: string[]): void {
  mkdirSync(join(config, version), { recursive: true })
  for (const name of names) writeFileSync(join(config, version, name), version)
  symlinkSync(version, join(config, '..data_tmp'))
  renameSync(join(config, '..data_tmp'), join(config, '..data'))
}
const shell = async (script: string) => (await kata.call(['exec', 'pod', '--', 'sh', '-c', script])).stdout

beforeAll(async () => {
  kata = new Kata(firecracker)
  publish('..one', 'key', 'gone')
  for (const name of ['key', 'gone']) symlinkSync(`..data/${name}`, join(config, name))
  const watcher = join(area.path, 'watcher')
  const source = join(import.meta.dir, 'containerd/watcher.c')
  const { exitCode, stderr } = Bun.spawnSync(['gcc', '-Os', '-static', '-s', '-o', watcher, source], {
    env: { PATH: process.env.PATH ?? '' },
  })
  if (exitCode !== 0) throw new Error(`gcc: ${stderr}`)
  const flags = ['-v', `${config}:/config:ro`, '-v', `${watcher}:/watcher:ro`]
  const script = '/watcher /config ..data > /out; cat /config/key >> /out; exec sleep 300'
  const started = await kata.call(['run', '-d', '--name', 'pod', ...flags, '--', 'sh', '-c', script])
  expect(started).toEqual({ code: 0, stdout: started.stdout, stderr: '' })
}, bootLimitMs)
afterAll(async () => {
  await kata?.close()
  area[Symbol.dispose]()
})

test(
  'an update raises events, comes as a whole, and takes away what is no more',
  async () => {
    await eventually('the watch', async () => (await shell('cat /out')).includes('watching') || undefined)
    publish('..two', 'key', 'added')
    symlinkSync('..data/added', join(config, 'added'))
    rmSync(join(config, 'gone'))
    rmSync(join(config, '..one'), { recursive: true })
    await eventually('the event', async () => (await shell('cat /out')).endsWith('..two') || undefined)
    expect(await shell('cat /out')).toMatch(/create \.\.two\n(.|\n)*move to \.\.data\n/)
    await eventually('the new key', async () => (await shell('cat /config/added')) === '..two' || undefined)
    expect(await shell('ls -A /config')).toBe('..data\n..two\nadded\nkey\n')
  },
  slow(60_000),
)
