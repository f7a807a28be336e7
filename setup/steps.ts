/** The set-up as a list: what each step makes, from what, and how one knows that there is nothing to do. */
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { buildAgent } from '../guest/agent/build.ts'
import { defaultStateDir } from '../src/cli/settings.ts'
import { buildImage, isBuiltFrom, verifyImage } from '../src/guest-image/build.ts'
import { buildContainerInit } from '../src/guest-image/container-init.ts'
import { cachedImage } from '../src/guest-image/guest-image.ts'
import type { Progress } from '../src/guest-image/progress.ts'
import { buildSystemdStub } from '../src/guest-image/systemd-stub.ts'
import { provideBusybox } from './busybox.ts'
import { commitOf } from './commit.ts'
import { compileExecutable } from './executable.ts'
import { installPackages, settleRecord } from './packages/install-packages.ts'
import { recordName } from './packages/installed-packages.ts'
import { missingPackages, type Purpose, packagesFor } from './packages/system-packages.ts'
import {
  agentPath,
  buildDir,
  busyboxPath,
  containerInitPath,
  embeddedDir,
  executable,
  root,
  shimLink,
  systemdStubPath,
} from './paths.ts'
import { hashFiles, isFresh, stamped } from './stamp.ts'

export interface Step {
  readonly name: string
  /** Does what is missing; returns false when nothing was. `progress` is begun only when there is work. */
  run(progress: Progress): Promise<boolean>
}

/** Our own programs in the guest image. */
const programs = { agent: agentPath, systemdStub: systemdStubPath }

/** What a command needs before it can run. */
export interface Needs {
  /** The Debian packages for these purposes. */
  readonly packages: readonly Purpose[]
  /** What is built: the product with its guest image, or the busybox that unit tests take as a program without libraries. */
  readonly build: 'everything' | 'busybox'
}

/** The steps that bring the machine up to date for a command, in order. */
export function stepsFor({ packages, build }: Needs): readonly Step[] {
  return [systemPackages(packages), ...(build === 'busybox' ? [busybox] : [...programSteps, guestImage])]
}

function systemPackages(purposes: readonly Purpose[]): Step {
  return {
    name: 'Debian packages',
    async run(progress) {
      const tools = { env: process.env }
      const record = join(defaultStateDir, recordName)
      await settleRecord(record, tools)
      const missing = await missingPackages(packagesFor(purposes), tools)
      if (missing.length === 0) return false
      const tell = (text: string) => process.stderr.write(text)
      await installPackages(missing, { progress, tell, record, tools })
      return true
    },
  }
}

const busybox = fromFiles({
  name: 'busybox',
  inputs: ['setup/busybox.ts'],
  outputs: [busyboxPath],
  make: () => provideBusybox(busyboxPath, { env: process.env }),
})

/** What is compiled of the checkout: the same bytes, wherever and whenever that is. */
export const programSteps: readonly Step[] = [
  fromFiles({
    name: 'guest agent',
    inputs: [
      'guest/agent',
      'src/guest-image/compile.ts',
      'src/ttrpc',
      'src/protobuf',
      'src/netlink',
      'src/protocol',
      'package-lock.json',
    ],
    outputs: [agentPath],
    async make() {
      await buildAgent({ outDir: buildDir })
    },
  }),
  fromFiles({
    name: 'guest libsystemd stub',
    inputs: ['src/guest-image/native', 'src/guest-image/systemd-stub.ts', 'src/guest-image/compile.ts'],
    outputs: [systemdStubPath],
    async make() {
      await buildSystemdStub({ outDir: buildDir })
    },
  }),
  fromFiles({
    name: 'container init',
    inputs: ['src/guest-image/container-init', 'src/guest-image/compile.ts'],
    outputs: [containerInitPath],
    async make() {
      await buildContainerInit({ outDir: buildDir })
    },
  }),
  busybox,
  fromFiles({
    name: 'embedded files',
    inputs: ['build/kata-agent', 'build/libsystemd-stub.so', 'build/container-init', 'build/busybox'],
    outputs: ['kata-agent', 'libsystemd-stub.so', 'container-init', 'busybox'].map((name) =>
      join(embeddedDir, name),
    ),
    async make() {
      mkdirSync(embeddedDir, { recursive: true })
      copyFileSync(agentPath, join(embeddedDir, 'kata-agent'))
      copyFileSync(systemdStubPath, join(embeddedDir, 'libsystemd-stub.so'))
      copyFileSync(containerInitPath, join(embeddedDir, 'container-init'))
      copyFileSync(busyboxPath, join(embeddedDir, 'busybox'))
    },
  }),
  fromFiles({
    name: 'executable kata-ts',
    inputs: ['src', 'build/embedded', 'package.json', 'package-lock.json', 'setup/executable.ts'],
    further: () => commitOf().name,
    outputs: [executable, shimLink],
    make: compileExecutable,
  }),
]

const guestImage: Step = {
  name: 'guest image',
  async run(progress) {
    if (await imageIsCurrent()) return false
    await buildImage({ ...programs, progress })
    return true
  },
}

/** A step whose result depends on files, and on the text `further` if there is one; their hash is the stamp. */
function fromFiles(step: {
  name: string
  inputs: readonly string[]
  further?: () => string
  outputs: readonly string[]
  make(): Promise<void>
}): Step {
  return {
    name: step.name,
    async run(progress) {
      const stamp = join(buildDir, '.stamps', step.name.replaceAll(' ', '-'))
      const hash = [hashFiles(root, step.inputs), ...(step.further ? [step.further()] : [])].join(' ')
      if (isFresh(stamp, hash, step.outputs)) return false
      progress.begin(step.name)
      await stamped(stamp, hash, step.make)
      progress.end()
      return true
    },
  }
}

/** The image belongs to these programs and recipe and is intact. Newer Debian packages are `kata-ts guest build`'s business. */
async function imageIsCurrent(): Promise<boolean> {
  try {
    const image = cachedImage()
    if (image === undefined || !isBuiltFrom(image, programs)) return false
    await verifyImage(image)
    return true
  } catch {
    return false
  }
}
