/** Volumes by name, against a double of the shim. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { type TestClient, testClient } from '../client/client.double.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(60_000)

const dataOf = (client: TestClient, name: string) => `${client.base}/state/volumes/default/${name}/_data`

test('a volume is made by the first run that names it, with what the image has there, and outlives its containers', async () => {
  await using client = testClient()
  for (const name of ['data', 'cold']) {
    mkdirSync(`${client.base}/srv/${name}`, { recursive: true })
    writeFileSync(`${client.base}/srv/${name}/seed`, 'of the image')
  }
  await client.start(
    'first',
    ['true'],
    ['-v', 'data:/srv/data', '--mount', 'source=cold,target=/srv/cold,volume-nocopy'],
  )
  const data = dataOf(client, 'data')
  expect(readFileSync(`${data}/seed`, 'utf8')).toBe('of the image')
  expect(readdirSync(dataOf(client, 'cold'))).toEqual([])
  expect(statSync(`${data}/../..`).mode & 0o777).toBe(0o700)
  const { mounts } = JSON.parse(
    readFileSync(`${client.base}/state/containers/default/first/bundle/config.json`, 'utf8'),
  )
  expect(mounts).toContainEqual(expect.objectContaining({ source: data, destination: '/srv/data' }))

  // What was written to it is not overwritten.
  writeFileSync(`${data}/seed`, 'changed')
  await client.start('second', ['true'], ['-v', 'data:/srv/data:ro'])
  expect(readFileSync(`${data}/seed`, 'utf8')).toBe('changed')

  expect(await client.kata('volume', 'rm', 'data')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('[VOLUME_IN_USE] volume data belongs to first, second'),
  })
  for (const name of ['first', 'second']) await client.kata('rm', '--force', name)
  expect(existsSync(`${data}/seed`)).toBe(true)
  expect(await client.kata('volume', 'rm', 'data', 'cold')).toEqual({
    code: 0,
    stdout: 'data\ncold\n',
    stderr: '',
  })
  expect(readdirSync(`${client.base}/state/volumes/default`)).toEqual([])
})

test('a copy that was broken off is begun anew', async () => {
  await using client = testClient()
  mkdirSync(`${client.base}/srv/data`, { recursive: true })
  writeFileSync(`${client.base}/srv/data/seed`, 'whole')
  await client.kata('volume', 'create', 'data')
  const data = dataOf(client, 'data')
  mkdirSync(`${data}/../filling/rest/of/it`, { recursive: true })
  writeFileSync(`${data}/../filling/seed`, 'ha')
  await client.start('first', ['true'], ['-v', 'data:/srv/data'])
  expect(readdirSync(data)).toEqual(['seed'])
  expect(readFileSync(`${data}/seed`, 'utf8')).toBe('whole')
  expect(existsSync(`${data}/../filling`)).toBe(false)
})

test('volumes are made, listed, shown and pruned', async () => {
  await using client = testClient()
  expect(await client.kata('volume', 'create', '--label', 'of=me', 'kept')).toEqual({
    code: 0,
    stdout: 'kept\n',
    stderr: '',
  })
  expect((await client.kata('volume', 'create', 'kept')).code).toBe(0)
  await client.kata('volume', 'create', 'idle')
  await client.start('user', ['true'], ['-v', 'kept:/data'])
  expect(JSON.parse((await client.kata('volume', 'inspect', 'kept')).stdout)).toEqual([
    {
      name: 'kept',
      namespace: 'default',
      labels: { of: 'me' },
      containers: ['user'],
      createdAt: expect.any(String),
      mountpoint: dataOf(client, 'kept'),
    },
  ])
  expect((await client.kata('volume', 'ls', '-q')).stdout).toBe('idle\nkept\n')
  expect((await client.kata('volume', 'ls')).stdout).toMatch(
    /^NAME +CREATED +CONTAINERS\nidle .*-\nkept .*user\n$/,
  )
  const shown = ['volume', 'ls', '--format', '{{.Name}} {{.Labels}}']
  expect((await client.kata(...shown)).stdout).toBe('idle \nkept of=me\n')
  // As with docker, whose users have this in scripts: what has a name stays.
  for (const command of [
    ['volume', 'prune', '--force'],
    ['system', 'prune', '--force', '--volumes'],
  ])
    expect(await client.kata(...command)).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('volumes with names stay (idle'),
    })
  expect((await client.kata('volume', 'ls', '-q')).stdout).toBe('idle\nkept\n')
  await client.start('user', ['true'], ['-v', 'kept:/data'])
  const asked = await client.kata('volume', 'prune', '--all')
  expect(asked).toMatchObject({ code: 125, stderr: expect.stringContaining('Add --force') })
  expect(await client.kata('volume', 'prune', '-a', '--force')).toMatchObject({ code: 0, stdout: 'idle\n' })
  expect((await client.kata('volume', 'ls', '--quiet')).stdout).toBe('kept\n')
  expect((await client.kata('volume', 'rm', 'nothing')).stderr).toContain('[VOLUME_NOT_FOUND]')
  expect((await client.kata('volume', 'rm', '-f', 'nothing')).code).toBe(0)
})
