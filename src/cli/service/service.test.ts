/** A service that cannot begin, and one that is lost to its client. Its users are in service.root.test.ts. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { listenUnix } from '../../linux/sockets/socket.ts'
import { silentLogger } from '../../log.ts'
import { clocksThatRush } from '../../time.double.ts'
import type { Settings } from '../settings.ts'
import { service } from './service.ts'

let runDir: string
beforeEach(() => {
  runDir = mkdtempSync(`${tmpdir()}/service-`)
})
afterEach(() => rmSync(runDir, { recursive: true }))

const serve = (group: string) => {
  const settings = { runDir, stateDir: runDir, env: {}, log: silentLogger } as unknown as Settings
  return service(settings, { group, commands: '8' })
}

test('there is one service for a socket', async () => {
  const socket = `${runDir}/service.sock`
  const other = listenUnix(socket)
  using _rush = clocksThatRush()
  await expect(serve('root')).rejects.toMatchObject({
    code: 'SERVICE_RUNNING',
    fields: { path: socket },
    remedy: expect.stringContaining('--socket'),
  })
  expect(existsSync(socket)).toBe(true)
  closeSync(other)
})

test('a group that the host does not have is told with the command that makes it', async () => {
  await expect(serve('no-such-group')).rejects.toMatchObject({
    code: 'SERVICE_NO_GROUP',
    fields: { group: 'no-such-group' },
    remedy: 'Create it with `groupadd --system no-such-group`, or name another group with --group.',
  })
  expect(existsSync(`${runDir}/service.sock`)).toBe(false)
})

test.skipIf(process.getuid?.() !== 0)(
  'a service that is gone before its answer is lost, which is told',
  async () => {
    // The calls of the client wait, so it is a process of its own.
    const code = `
    import { throughService } from '${import.meta.dir}/client.ts'
    import { ResultFile } from '${import.meta.dir}/../output/result-file.ts'
    const settings = { runDir: '${runDir}', env: {}, tell() {} }
    await throughService(settings, ['ps'], new ResultFile()).catch((error) => console.log(error.message))`
    const client = Bun.listen({
      unix: `${runDir}/service.sock`,
      socket: { open: (socket) => void socket.end(), data: () => {} },
    })
    const run = Bun.spawn([process.execPath, '-e', code], { stderr: 'inherit' })
    expect(await run.stdout.text()).toMatch(
      /^\[SERVICE_LOST\] the connection to the service was lost\. .*kata-ts ps/,
    )
    client.stop(true)
  },
)
