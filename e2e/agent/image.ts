/** The guest image with the programs of the present sources. */
import { resolve } from 'node:path'
import { buildAgent } from '../../guest/agent/build.ts'
import { buildImage, findImage, type GuestImage, isBuiltFrom } from '../../src/guest-image/build.ts'
import { buildSystemdStub } from '../../src/guest-image/systemd-stub.ts'

const buildDir = resolve(import.meta.dir, '../../build')

/** Builds what is missing: nothing, after the set-up. */
export async function testImage(): Promise<GuestImage> {
  const { path: agent } = await buildAgent({ outDir: buildDir })
  const { path: systemdStub } = await buildSystemdStub({ outDir: buildDir })
  const image = findImage()
  const programs = { agent, systemdStub }
  return image !== undefined && isBuiltFrom(image, programs) ? image : buildImage(programs)
}
