/** Health checks against a double of the shim, whose containers are processes of the host. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, writeFileSync } from 'node:fs'
import { eventually, testClient } from '../client.double.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(120_000)

test('a container becomes healthy, and unhealthy, and everybody is told', async () => {
  await using client = testClient()
  const mark = `${client.base}/ready`
  const check = `test -e ${mark} && echo fine || { printf 'not\\033 yet\\n'; exit 3; }`
  writeFileSync(mark, '')
  await client.start(
    'web',
    ['sleep', '60'],
    [...['--health-cmd', check, '--health-interval', '200ms', '--health-retries', '2']],
  )
  expect(await client.kata('wait', '--condition', 'healthy', 'web')).toMatchObject({ code: 0 })
  const healthy = await client.kata('ps', '--filter', 'health=healthy', '--format', '{{.Names}} {{.Status}}')
  expect(healthy.stdout).toMatch(/^web Up .* \(healthy\)\n$/)
  await Bun.file(mark).unlink()
  expect(await client.kata('wait', '--condition', 'unhealthy', 'web')).toMatchObject({ code: 0 })
  const facts = JSON.parse((await client.kata('inspect', 'web')).stdout)[0]
  expect(facts.health).toMatchObject({ status: 'unhealthy' })
  expect(facts.health.log.at(-1)).toMatchObject({ exitCode: 3, output: 'not  yet\n' })
  const asDocker = await client.kata(
    'inspect',
    '--format',
    '{{.State.Health.Status}} {{.Config.Healthcheck.Retries}}',
    'web',
  )
  expect(asDocker.stdout).toBe('unhealthy 2\n')
  expect((await client.kata('ps')).stdout).toContain('running (unhealthy)')
  const events = await client.kata(
    ...[
      'events',
      '--since',
      '10m',
      '--until',
      '0s',
      '--filter',
      'event=health_status',
      '--format',
      '{{.Action}}',
    ],
  )
  expect(events.stdout).toBe('health_status: healthy\nhealth_status: unhealthy\n')
  await client.kata('rm', '-f', 'web')
  expect(client.leftovers()).toEqual([])
})

test('the health of one run is not that of the next, from its start on', async () => {
  await using client = testClient()
  await client.start('web', ['sleep', '60'], ['--health-cmd', 'true', '--health-interval', '200ms'])
  expect((await client.kata('wait', '--condition', 'healthy', 'web')).code).toBe(0)
  expect((await client.kata('stop', '-t', '0', 'web')).code).toBe(0)
  const directory = `${client.base}/state/containers/default/web`
  expect(existsSync(`${directory}/health.json`)).toBe(true)
  writeFileSync(`${directory}/bundle/config.json`, JSON.stringify({ process: { args: ['never-made'] } }))
  const starting = client.spawn(['start', 'web'])
  await eventually(async () => (await client.list())[0]?.status === 'creating')
  expect(existsSync(`${directory}/health.json`)).toBe(false)
  await client.kata('rm', '--force', 'web')
  expect(await starting.exited).toBe(1)
})

test('a check that does not end is killed, and counts as failed', async () => {
  await using client = testClient()
  await client.start(
    'slow',
    ['sleep', '60'],
    [
      ...['--health-cmd', 'exec sleep 50', '--health-interval', '100ms', '--health-timeout', '300ms'],
      ...['--health-retries', '1'],
    ],
  )
  expect(await client.kata('wait', '--condition', 'unhealthy', 'slow')).toMatchObject({ code: 0 })
  const facts = JSON.parse((await client.kata('inspect', 'slow')).stdout)[0]
  expect(facts.health.log[0]).toMatchObject({ exitCode: -1, output: expect.stringContaining('0.3 s') })
})
