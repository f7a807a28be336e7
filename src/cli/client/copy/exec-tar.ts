/** `tar` in a container by `kata-ts exec`, for a user whose commands the service runs. */
import { KataError } from '../../../errors.ts'
import { lastWords } from '../../../plain-text.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerTar, mostWords, noTar } from './container-tar.ts'

/** What `exec` says when there is no such program. */
const notFound = 127

export function execTar(settings: Settings, name: string): ContainerTar {
  const { self, runDir, stateDir, env, log } = settings
  const where = ['--run-dir', runDir, '--state-dir', stateDir]
  return {
    name,
    log,
    async run(command, { input, output }) {
      const asRoot = ['--user', '0:0', '--workdir', '/', ...(input === undefined ? [] : ['--interactive'])]
      const child = Bun.spawn([self.program, ...self.prefix, 'exec', ...where, ...asRoot, name, ...command], {
        cwd: '/',
        env: env as Record<string, string>,
        stdio: [input ?? 'ignore', 'pipe', 'pipe'],
      })
      const said = lastOf(child.stderr)
      try {
        for await (const chunk of child.stdout) await output.write(chunk)
      } catch (error) {
        child.kill()
        throw error
      }
      const code = await child.exited
      if (code === 0) return
      const reason = code === notFound ? noTar(command) : lastWords(await said)
      throw new KataError('COPY_FAILED', { name, reason })
    },
  }
}

/** The end of what the container's tar says, which may be without end. */
async function lastOf(errors: AsyncIterable<Uint8Array>): Promise<string> {
  let said = ''
  for await (const chunk of errors) said = (said + Buffer.from(chunk).toString()).slice(-mostWords)
  return said
}
