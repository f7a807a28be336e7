/** The guest image with the agent of the present sources. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { buildAgent } from '../../guest/agent/build.ts'
import { buildImage, findImage, type GuestImage } from '../../guest/image/build.ts'

const buildDir = resolve(import.meta.dir, '../../build')

/** Builds what is missing: nothing, after the set-up. */
export async function testImage(): Promise<GuestImage> {
  const { path } = await buildAgent({ outDir: buildDir })
  const agent = new Bun.CryptoHasher('sha256').update(readFileSync(path)).digest('hex')
  const image = findImage()
  return image?.manifest.agentSha256 === agent ? image : buildImage({ agent: path })
}
