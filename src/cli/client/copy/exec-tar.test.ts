import { expect, test } from 'bun:test'
import type { Settings } from '../../settings.ts'
import { execTar } from './exec-tar.ts'

/** A command line that runs this script of the shell instead. */
const settingsOf = (script: string) =>
  ({
    self: { program: '/bin/sh', prefix: ['-c', script, 'sh'] },
    runDir: '/run',
    stateDir: '/var/lib',
    env: { PATH: process.env.PATH },
    log: undefined,
  }) as unknown as Settings

test('a tar that talks without end costs no memory, and its last words are told', async () => {
  const before = process.resourceUsage().maxRSS
  const tar = execTar(settingsOf('yes word | head -c 300M >&2; echo at last >&2; exit 1'), 'c')
  const ran = tar.run(['tar', '-cf', '-'], { output: { write: async () => {} } })
  await expect(ran).rejects.toThrow(/word at last/)
  // Kilobytes.
  expect(process.resourceUsage().maxRSS - before).toBeLessThan(150_000)
})

test('what it writes is passed on, and no tar is told as such', async () => {
  let seen = ''
  const output = {
    write: async (chunk: Uint8Array) => {
      seen += Buffer.from(chunk).toString()
    },
  }
  await execTar(settingsOf('echo "$@"'), 'c').run(['tar', '-cf', '-'], { output })
  expect(seen).toBe('exec --run-dir /run --state-dir /var/lib --user 0:0 --workdir / c tar -cf -\n')
  await expect(execTar(settingsOf('exit 127'), 'c').run(['tar'], { output })).rejects.toThrow('it has no tar')
})
