/**
 * Writes src/protocol/generated from the .proto files beside it: `sh setup/bun.sh setup/protocol/generate.ts`. Needs only the npm packages: no
 * network, no protoc.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from '../paths.ts'
import { SetupError } from '../setup-error.ts'
import type { FileDescriptor } from './descriptor.ts'
import { sourceOf } from './source.ts'

const protocol = join(root, 'src/protocol')

/** `directory` is emptied first. @throws SetupError with what the compiler says. */
export async function generateProtocol(directory: string): Promise<void> {
  const { file: files } = await compiled()
  rmSync(directory, { recursive: true, force: true })
  for (const file of files) {
    const path = join(directory, file.name.replace(/\.proto$/, '.ts'))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, sourceOf(file, files))
  }
}

/** What buf, a compiler of .proto files, makes of ours. */
async function compiled(): Promise<{ file: FileDescriptor[] }> {
  const child = Bun.spawn([join(root, 'node_modules/.bin/buf'), 'build', '-o', '-#format=json'], {
    cwd: protocol,
    env: { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}` },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [json, complaints, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  if (code !== 0)
    throw new SetupError(`buf build failed:\n${complaints}`, 'mend the .proto file that it names')
  return JSON.parse(json)
}

if (import.meta.main) await generateProtocol(join(protocol, 'generated'))
