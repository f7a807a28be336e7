import { expect, setDefaultTimeout, test } from 'bun:test'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { eventually, testClient } from '../../client/client.double.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(60_000)

test('containers, volumes and snapshots of every namespace are counted, with what a prune would free of them', async () => {
  await using client = testClient()
  await client.start('box', ['true'], ['-v', 'data:/srv'])
  const state = `${client.base}/state`
  writeFileSync(`${state}/volumes/default/data/_data/file`, Buffer.alloc(1 << 20, 'x'))
  const snapshot = `${state}/snapshots/other/warm`
  mkdirSync(snapshot, { recursive: true })
  copyFileSync(`${state}/containers/default/box/record.json`, `${snapshot}/record.json`)
  writeFileSync(`${snapshot}/state`, Buffer.alloc(2 << 20, 'x'))
  mkdirSync(`${state}/images/disks`, { recursive: true })
  writeFileSync(`${state}/images/disks/${'a'.repeat(64)}.erofs`, Buffer.alloc(3 << 20, 'x'))
  // One that is being made is none yet.
  mkdirSync(`${state}/snapshots/other/.unfinished-1-1-x`)

  const { code, stdout } = await client.kata('--format', 'json', 'system', 'df')
  expect(code).toBe(0)
  const uses = JSON.parse(stdout) as {
    type: string
    total: number
    bytes: number
    reclaimableBytes: number
  }[]
  const use = (type: string) => uses.find((each) => each.type === type)
  expect(use('Containers')).toMatchObject({ total: 1 })
  expect(use('Local Volumes')).toMatchObject({ total: 1 })
  expect(use('Snapshots')).toMatchObject({ total: 1, active: 0, reclaimableBytes: 0 })
  expect(use('Local Volumes')!.bytes).toBeGreaterThanOrEqual(1 << 20)
  // With the disks of images.
  expect(use('Images')!.reclaimableBytes).toBeGreaterThanOrEqual(3 << 20)
  expect(use('Images')!.bytes).toBeGreaterThanOrEqual(use('Images')!.reclaimableBytes)
  expect(use('Snapshots')!.bytes).toBeGreaterThanOrEqual(2 << 20)

  // What a crash left is for gc, and no prune frees it.
  await client.start('lost', ['sleep', '60'])
  const { shimPid } = (await client.list()).find(({ id }) => id === 'lost')!
  process.kill(shimPid!, 'SIGKILL')
  await eventually(async () => (await client.list()).some(({ status }) => status === 'dead'))
  await client.kata('wait', 'box')
  await client.kata('stop', 'box')
  const containers = async () => JSON.parse((await client.kata('--format', 'json', 'system', 'df')).stdout)[1]
  expect((await containers()).reclaimableBytes).toBeGreaterThan(0)
  await client.kata('rm', 'box')
  expect(await containers()).toMatchObject({ total: 1, active: 0, reclaimableBytes: 0 })

  const { stdout: table } = await client.kata('system', 'df')
  expect(table).toMatch(/^Snapshots +1 +0 +2\.0MiB +0B$/m)
})
