/** `stats` and `top` against a double of the shim. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { testClient } from '../../client/client.double.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(60_000)

test('stats shows what runs, as a table and as JSON', async () => {
  await using client = testClient()
  await client.start('busy', ['sleep', '60'])
  await client.start('over', ['true'])
  await client.kata('wait', 'over')
  const { stdout } = await client.kata('stats', '--no-stream', '--format', 'json')
  const [line, ...others] = JSON.parse(stdout)
  expect(others).toEqual([])
  expect(line).toMatchObject({ id: 'busy', memoryBytes: 3 << 20, memoryLimit: 64 << 20, processes: 2 })
  expect(line.cpuPercent).toBeGreaterThan(10)
  expect((await client.kata('stats', '--no-stream', 'busy')).stdout).toMatch(
    /^NAME +CPU % +MEMORY +LIMIT +PIDS\nbusy +\d+\.\d +3\.0MiB +64\.0MiB +2\n$/,
  )
  const format = '{{.Name}} {{.MemUsage}} {{.MemPerc}}'
  expect((await client.kata('stats', '--no-stream', '--format', format, 'busy')).stdout).toBe(
    'busy 3.0MiB / 64.0MiB 4.69%\n',
  )
  expect(await client.kata('stats', '--no-stream', 'nobody')).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('[CONTAINER_NOT_FOUND]'),
  })
})

test('a stream of stats ends with its containers', async () => {
  await using client = testClient()
  await client.start('brief', ['sleep', '60'])
  const watcher = client.spawn(['stats', 'brief'])
  const reader = watcher.stdout.getReader()
  expect(Buffer.from((await reader.read()).value!).toString()).toContain('NAME')
  reader.releaseLock()
  const [, code] = await Promise.all([client.kata('kill', 'brief'), watcher.exited])
  expect(code).toBe(0)
})

test('top runs ps in the container, with its options', async () => {
  await using client = testClient()
  await client.start('host', ['sleep', '60'])
  const { code, stdout } = await client.kata('top', 'host', '-p', '1', '-o', 'pid')
  expect({ code, stdout: stdout.trim().split(/\s+/) }).toEqual({ code: 0, stdout: ['PID', '1'] })
  const none = await client.kata('top', 'nobody')
  expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('[CONTAINER_NOT_FOUND]') })
})
