/** What an image is built from, and the name that follows from it. */
import { readFileSync } from 'node:fs'
import { KataError } from '../errors.ts'
import type { GuestImage } from './guest-image.ts'
import type { ImagePackage } from './manifest.ts'

/** Raised whenever the same inputs would give other bytes. */
export const imageRecipe = 7

/** Our own programs in the image: their bytes, or the paths of the files. */
export interface ImagePrograms {
  /** The static agent executable (guest/agent/build.ts). */
  readonly agent: Uint8Array | string
  /** The guest's libsystemd.so.0 (systemd-stub.ts). */
  readonly systemdStub: Uint8Array | string
}

export interface ProgramBytes {
  readonly agent: Uint8Array
  readonly systemdStub: Uint8Array
}

/**
 * Whether an image was built by this recipe, from these programs and whichever packages; its files are not looked at.
 *
 * @throws KataError IMAGE_FILE_MISSING for a program that cannot be read.
 */
export function isBuiltFrom(image: GuestImage, programs: ImagePrograms): boolean {
  const { packages, kernelModules = [] } = image.manifest
  return image.id === imageId(packages, programBytes(programs), kernelModules)
}

/** Content address: package files, our programs, recipe and what was asked for. */
export function imageId(
  packages: readonly ImagePackage[],
  { agent, systemdStub }: ProgramBytes,
  kernelModules: readonly string[],
): string {
  const inputs = {
    recipe: imageRecipe,
    agent: sha256(agent),
    systemdStub: sha256(systemdStub),
    packages: packages.map(({ name, version, sha256 }) => [name, version, sha256]),
    kernelModules,
  }
  return sha256(JSON.stringify(inputs)).slice(0, 24)
}

export function programBytes({ agent, systemdStub }: ImagePrograms): ProgramBytes {
  return { agent: bytesOf('agent', agent), systemdStub: bytesOf('libsystemd stub', systemdStub) }
}

function bytesOf(what: string, program: Uint8Array | string): Uint8Array {
  if (typeof program !== 'string') return program
  try {
    return readFileSync(program)
  } catch (error) {
    throw new KataError('IMAGE_FILE_MISSING', {
      what,
      path: program,
      reason: (error as NodeJS.ErrnoException).code ?? String(error),
    })
  }
}

export function sha256(data: Uint8Array | string): string {
  return new Bun.CryptoHasher('sha256').update(data).digest('hex')
}
