/** `ps` and `inspect` with templates and filters, against a double of the shim. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { eventually, testClient } from '../client/client.double.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(60_000)

test('docker’s templates, for ps and inspect', async () => {
  await using client = testClient()
  await client.start('ended', ['sh', '-c', 'exit 3'], ['--label', 'tier=back end'])
  await client.start('web', ['sleep', '30'], ['-m', '64M', '-v', 'data:/data:ro', '-v', '/etc:/host'])
  await eventually(async () => (await client.list()).some(({ exitCode }) => exitCode === 3))
  const print = async (...args: string[]) => {
    const { stdout, stderr } = await client.kata(...args)
    expect(stderr).toBe('')
    return stdout
  }

  expect(await print('ps', '--format', '{{.Names}} {{.State}} {{.Label "tier"}}')).toBe(
    'ended exited back end\nweb running \n',
  )
  expect(
    await print('ps', '-f', 'volume=data', '--format', 'table {{.Names}}\\t{{.Mounts}}\\t{{.Status}}'),
  ).toMatch(/^NAMES +MOUNTS +STATUS\nweb {4}data {4}Up (Less than a|\d+) second/)
  expect(await print('ps', '-f', 'status=exited', '--format', '{{json .Status}}')).toMatch(/^"Exited \(3\)/)
  expect(await print('ps', '-ql')).toBe('web\n')
  expect(await print('ps', '--no-trunc')).toMatch(/^NAME +STATUS +AGE +/)

  expect(
    await print('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}} {{.Config.Cmd}}', 'ended', 'web'),
  ).toBe('exited 3 [sh -c exit 3]\nrunning 0 [sleep 30]\n')
  const mounts = '{{range .Mounts}}{{.Type}}:{{.Name}}:{{.Destination}}:{{.RW}} {{end}}{{.HostConfig.Memory}}'
  expect(await print('inspect', '--format', mounts, 'web')).toBe(
    'volume:data:/data:false bind::/host:true 67108864\n',
  )
  // Our own facts have their names in it, too.
  const log = `${client.base}/state/containers/default/web/output.log`
  expect(await print('inspect', '--format', '{{.paths.log}} {{.LogPath}}', 'web')).toBe(`${log} ${log}\n`)
  expect(await client.kata('inspect', '--format', '{{.State.Nothing}}', 'web')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no field Nothing; there are Status'),
  })
})
