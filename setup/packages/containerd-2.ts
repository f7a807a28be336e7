/**
 * containerd 2 for the tests that compare it with the containerd of this Debian: sid's package, unpacked below build/ and never
 * installed. apt keeps sid's lists in a directory of their own, so that nothing of sid gets onto the host, and checks the
 * archive's signature with Debian's own keys.
 */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { aptUpdate } from '../../src/guest-image/apt.ts'
import { buildDir } from '../paths.ts'
import { aptSources } from './apt-sources.ts'
import { unpackPackages } from './unpack.ts'

/** Its programs are in `usr/bin`. */
const containerd2Dir = join(buildDir, 'containerd-2')

/**
 * Fetches it unless it is there.
 *
 * @throws KataError IMAGE_PACKAGE_UNKNOWN, IMAGE_PACKAGES_UNREACHABLE, IMAGE_DISK_FULL, IMAGE_TOOL_*; SetupError.
 */
export async function provideContainerd2(directory = containerd2Dir): Promise<void> {
  if (existsSync(directory)) return
  mkdirSync(dirname(directory), { recursive: true })
  const scratch = mkdtempSync(`${directory}.`)
  const at = (name: string) => join(scratch, name)
  try {
    for (const name of ['lists/partial', 'cache/archives/partial']) mkdirSync(at(name), { recursive: true })
    writeFileSync(at('sources.list'), sidSources(await aptSources()))
    writeFileSync(
      at('apt.conf'),
      `Dir::State::lists "${at('lists')}";
Dir::Cache "${at('cache')}";
Dir::Etc::sourcelist "${at('sources.list')}";
Dir::Etc::sourceparts "/dev/null";
APT::Architectures { "amd64"; };
Acquire::Languages "none";
`,
    )
    const tools = { env: { ...process.env, APT_CONFIG: at('apt.conf') } }
    await aptUpdate(tools)
    await unpackPackages(['containerd'], { tree: at('tree'), scratch, tools })
    rmSync(directory, { recursive: true, force: true })
    renameSync(at('tree'), directory)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** The same archives have sid; security and updates are of releases alone. */
function sidSources(lines: string): string {
  const sid = lines
    .split('\n')
    .flatMap((line) => (/ (trixie|stable) main$/.test(line) ? [line.replace(/ \S+ main$/, ' sid main')] : []))
  return `${sid.join('\n')}\n`
}
