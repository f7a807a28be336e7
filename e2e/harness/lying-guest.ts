/** A configuration whose guest has the lying agent (e2e/doubles/lying-agent). */
import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { requireImage } from '../../src/guest-image/guest-image.ts'
import { buildLyingAgent, withAgent } from '../doubles/lying-agent/build.ts'
import { hypervisorTable } from './vmm.ts'

const outDir = resolve(import.meta.dir, '../../build/doubles')

/**
 * Writes it into `directory`, with the initrd that it names, and returns its path. With `lie` the guest tells that one from
 * its first answer on.
 */
export async function lyingConfiguration(directory: string, lie?: string): Promise<string> {
  const { kernel, initrd } = requireImage()
  const { path: agent } = await buildLyingAgent({ outDir })
  const [file, lyingInitrd] = [`${directory}/lying${lie ?? ''}.toml`, `${directory}/lying-initrd`]
  // The same for every lie, and a machine that starts beside this may be reading it.
  if (!existsSync(lyingInitrd)) writeFileSync(lyingInitrd, withAgent(initrd, agent))
  const paths = `kernel = "${kernel}"\ninitrd = "${lyingInitrd}"\n`
  const parameter = lie === undefined ? '' : `kernel_params = "lie=${lie}"\n`
  // To an initrd that is not ours the default is vsock, which not every host has.
  writeFileSync(file, hypervisorTable(`${paths}${parameter}agent_channel = "serial"\n`))
  return file
}
